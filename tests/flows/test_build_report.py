from datetime import UTC, datetime, timedelta

import pytest
from scipy.stats import binomtest
from sqlalchemy import Engine

from service.domain.iso_weeks import InvalidWeekError
from service.domain.scores import SliCounts, SliSlice
from service.domain.slis import Tally
from service.domain.weekly_report import SloReport, WeeklyReport
from service.flows.build_report import UnknownTeamError, build_report
from service.store.sli_minutes import add_sli_counts
from tests.declared import NOW, declare_app
from tests.watched import REGISTRY, Spell, live_through, watch_app

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)  # of 2026-W47
WEEK = timedelta(days=7)
TEN_MINUTES = timedelta(minutes=10)


def built(engine: Engine, week: str | None = "2026-W47", *, team: str = "care") -> WeeklyReport:
    return build_report(engine, REGISTRY, team=team, week=week, now=NOW)


def slos_of(report: WeeklyReport) -> dict[str, SloReport]:
    (app,) = report.apps
    return {slo.name: slo for slo in app.slos}


def test_the_figures_are_those_of_the_weeks_rows(engine: Engine) -> None:
    app = watch_app(engine)
    live_through(
        engine,
        app,
        [
            Spell(MONDAY - WEEK, MONDAY, scored=5, bad=1, calls=2, cost_usd=0.5),
            Spell(MONDAY, MONDAY + WEEK, scored=6, bad=3, calls=3, cost_usd=0.25, failed=1),
        ],
    )
    slos = slos_of(built(engine))
    steps = 7 * 24 * 6  # ten minutes each
    correct, available = slos["correct"], slos["available"]
    exact = binomtest(3 * steps, 6 * steps).proportion_ci(0.95, "exact")
    assert correct.attainment.n == 6 * steps
    assert correct.attainment.good_ratio == pytest.approx(0.5)
    assert correct.attainment.interval == pytest.approx((exact.low, exact.high))
    assert (correct.held, correct.change.direction) == ("no", "worse")
    assert correct.change.difference == pytest.approx(0.5 - 0.8)
    # The window of 28 days holds both weeks: (1 + 3) bad of (5 + 6), of a budget of 0.2.
    assert correct.budget.spent == pytest.approx(4 / 11 / 0.2)
    assert available.attainment.good_ratio == pytest.approx(3 / 4)
    assert available.attainment.n == 4 * steps
    assert (available.calls.value, available.calls.before) == (4 * steps, 2 * steps)
    assert available.cost_usd.value == pytest.approx(0.25 * steps)
    assert available.cost_usd.before == pytest.approx(0.5 * steps)


def test_monday_midnight_belongs_to_the_week_that_begins(engine: Engine) -> None:
    app = watch_app(engine)
    live_through(
        engine,
        app,
        [
            Spell(MONDAY, MONDAY + TEN_MINUTES, scored=7, calls=70),
            Spell(MONDAY + WEEK, MONDAY + WEEK + TEN_MINUTES, scored=9, calls=90),
        ],
    )
    week, after = slos_of(built(engine))["correct"], slos_of(built(engine, "2026-W48"))["correct"]
    assert (week.attainment.n, week.calls.value) == (7, 70)
    assert (after.attainment.n, after.calls.value, after.calls.before) == (9, 90, 70)


def test_a_week_that_is_not_over_is_compared_with_the_same_stretch(engine: Engine) -> None:
    app = watch_app(engine)
    live_through(engine, app, [Spell(MONDAY, NOW, calls=1)])
    report = built(engine, None)
    assert (str(report.week), report.is_complete) == ("2026-W48", False)
    assert (report.stretch.ends_at, report.compared_with.ends_at) == (NOW, NOW - WEEK)
    calls = slos_of(report)["available"].calls
    assert calls.value == calls.before == 2.5 * 24 * 6


def test_weighted_scores_give_the_weighted_ratio_and_what_it_is_worth(engine: Engine) -> None:
    app = watch_app(engine)
    live_through(engine, app, [Spell(MONDAY, MONDAY + TEN_MINUTES, scored=0)])
    version = slos_of(built(engine))["correct"].evaluator_version
    assert version is not None
    weights = [(1.0, False)] * 90 + [(10.0, True)] * 10
    tally = Tally.sum(Tally.from_score(float(not bad), w, bad=bad) for w, bad in weights)
    where = (MONDAY, "production", "answer", "", "gpt-4", "", "expected_answer", version)
    with engine.begin() as connection:
        add_sli_counts(connection, app.id, {SliSlice(*where): SliCounts(tally)})
    attained = slos_of(built(engine))["correct"].attainment
    assert attained.good_ratio == pytest.approx(90 / 190)
    assert attained.n == 100
    assert attained.effective_n == pytest.approx(190**2 / (90 * 1 + 10 * 100))  # Kish
    assert attained.interval is not None
    lower, upper = attained.interval
    assert lower < 90 / 190 < upper
    assert upper - lower > 0.3


def test_a_week_before_all_data_has_rows_without_figures(engine: Engine) -> None:
    watch_app(engine)
    for slo in slos_of(built(engine, "1970-W01")).values():
        assert slo.attainment.good_ratio is None
        assert slo.sentence.startswith("No data")


def test_apps_of_other_teams_stay_out(engine: Engine) -> None:
    watch_app(engine)
    declare_app(engine, "billing", team="money")
    assert [app.name for app in built(engine, team="money").apps] == ["billing"]


def test_an_unknown_team_is_answered_with_the_teams_there_are(engine: Engine) -> None:
    with pytest.raises(UnknownTeamError, match="watchkeeper apply"):
        built(engine, team="care")
    watch_app(engine)
    declare_app(engine, "billing", team="money")
    with pytest.raises(UnknownTeamError, match="the teams are: care, money"):
        built(engine, team="nobody")


def test_a_week_to_come_is_refused(engine: Engine) -> None:
    watch_app(engine)
    with pytest.raises(InvalidWeekError, match="has not begun"):
        built(engine, "2026-W49")
