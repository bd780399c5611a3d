import re
from datetime import timedelta

from sqlalchemy import Engine

from service.domain.budget_policy import Crossing
from service.domain.corrections import CorrectionScope
from service.domain.slos import Consequence
from service.flows.correct_budget import correct_budget, revoke_correction
from service.flows.evaluate_slos import evaluate_slos
from service.store.budget_crossings import begin_crossing
from service.store.slos import find_slo
from tests.declared import NOW
from tests.watched import REGISTRY, a_good_time, live_through, watch_app
from tests.web.conftest import Site


def test_an_slo_shows_its_definition_its_tiers_and_its_week(site: Site, engine: Engine) -> None:
    app = watch_app(engine, objective=0.7)
    live_through(engine, app, [a_good_time()])
    evaluate_slos(engine, REGISTRY, now=NOW)
    page = site.page("/slos/support/correct")
    assert "70.0 % over 28 d" in page
    assert "that pass expected_answer" in page
    assert len(re.findall(r'<span class="severity (page|ticket)">', page)) == 4
    assert "0.67" in page  # 0.2 bad of a budget of 0.3
    assert page.count("<svg") == 2  # the budget's bar and the chart


def test_an_slo_without_calls_says_so_and_draws_nothing(site: Site, engine: Engine) -> None:
    watch_app(engine)
    page = site.page("/slos/support/correct")
    assert "not evaluated yet" in page
    assert "nothing to draw" in page
    assert "<svg" not in page
    assert ">0 %<" not in page


def test_a_stale_slo_is_unknown(site: Site, engine: Engine) -> None:
    app = watch_app(engine, objective=0.7)
    live_through(engine, app, [a_good_time()])
    evaluate_slos(engine, REGISTRY, now=NOW)
    site.now = NOW + timedelta(hours=1)
    page = site.page("/slos/support/correct")
    assert "Not evaluated since" in page
    assert "status healthy" not in page


def test_what_does_not_count_and_what_is_frozen_is_listed(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    hour = timedelta(hours=1)
    correction = correct_budget(
        *(engine, app, CorrectionScope(task="answer")),
        starts_at=NOW - 2 * hour,
        ends_at=NOW - hour,
        reason="Move of <the> store",
        author="Ann",
        now=NOW,
    )
    freeze = Crossing(Consequence(0.1, "freeze"), 0.08, NOW, NOW)
    with engine.begin() as connection:
        stored = find_slo(connection, app.name, "correct")
        assert stored is not None
        begin_crossing(connection, stored.id, freeze)
    page = site.page("/slos/support/correct")
    assert "Releases are frozen at 8.0 % of the budget left" in page
    assert "does not count, for task answer: Move of &lt;the&gt; store (Ann)" in page
    revoke_correction(engine, app, correction.id, by="Ben", now=NOW)
    assert "revoked by Ben" in site.page("/slos/support/correct")
