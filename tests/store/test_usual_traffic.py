from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.domain.alert_windows import standard_catalogue
from service.domain.indicators import Indicator, Member
from service.domain.slos import Budgeting, Slo
from service.store.measured import Measured
from service.store.usual_traffic import UsualTraffic, read_usual_traffic
from tests.declared import NOW, a_count, declare_app, post

HOUR = timedelta(hours=1)


MONTH = timedelta(days=30)
CALLS = Indicator("availability", "answer", "production")


def read(
    engine: Engine, app_id: int, indicator: Indicator = CALLS, budgeting: Budgeting | None = None
) -> UsualTraffic | None:
    tiers = standard_catalogue(MONTH)
    slo = Slo(
        *("any", "support", indicator, 0.99, MONTH, tiers), budgeting=budgeting or Budgeting()
    )
    with engine.connect() as connection:
        return read_usual_traffic(connection, slo, Measured(app_id, indicator, None), now=NOW)


def test_what_was_never_called_has_none(engine: Engine) -> None:
    assert read(engine, declare_app(engine).id) is None


def test_a_young_app_is_reckoned_from_its_first_call_on(engine: Engine) -> None:
    app = declare_app(engine)
    hours = [NOW - hour * HOUR for hour in range(1, 11)]
    good = [a_count(9, minute=at) for at in hours]
    bad = [a_count(1, outcome="error", minute=at) for at in hours]
    post(engine, app, counts=good + bad)
    usual = read(engine, app.id)
    assert usual is not None
    assert usual.counted_per_hour == pytest.approx(10)
    assert usual.bad_ratio == pytest.approx(0.1)
    assert usual.effective_share == pytest.approx(1)


def test_what_is_older_than_four_weeks_does_not_count(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, counts=[a_count(1000, minute=NOW - timedelta(days=29))])
    assert read(engine, app.id) is None
    post(engine, app, counts=[a_count(672, minute=NOW - timedelta(days=28))])
    usual = read(engine, app.id)
    assert usual is not None
    assert usual.counted_per_hour == pytest.approx(1)


def test_a_composite_counts_nothing_of_its_own(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, counts=[a_count(5, minute=NOW - HOUR)])
    composite = Indicator("composite", "", "production", members=(Member("a", 1.0),))
    assert read(engine, app.id, composite) is None


def test_of_time_slices_their_number_is_known(engine: Engine) -> None:
    app = declare_app(engine)
    slices = Budgeting("timeslices", timedelta(minutes=5), 0.9)
    assert read(engine, app.id, budgeting=slices) is None
    post(engine, app, counts=[a_count(5, minute=NOW - HOUR)])
    assert read(engine, app.id, budgeting=slices) == UsualTraffic(12, None)
