import re
from datetime import timedelta

from sqlalchemy import Engine

from service.flows.close_sessions import close_sessions
from service.flows.evaluate_slos import evaluate_slos
from service.store.apps import put_app
from tests.declared import NOW, a_sample, declare_app, post
from tests.watched import REGISTRY, Spell, a_good_time, live_through, watch_app
from tests.web.conftest import Site

SIX_HOURS = timedelta(hours=6)


def test_a_newcomer_is_told_the_next_command(site: Site) -> None:
    page = site.page("/")
    assert "watchkeeper apply -f DIR" in page
    assert "No open incident" not in page


def test_every_slo_has_a_status_in_words_its_figures_and_its_sentence(
    site: Site, engine: Engine
) -> None:
    app = watch_app(engine, objective=0.7)
    live_through(engine, app, [a_good_time()])
    evaluate_slos(engine, REGISTRY, now=NOW)
    page = site.page("/")
    assert page.count('<span class="status healthy">') == 2
    assert "80.0 %" in page  # attained
    assert "33.3 %" in page  # budget left: 1 - 0.2 / 0.3
    assert "scored answers did not pass expected_answer" in page
    assert "No open incident." in page
    assert "The worker is not running" not in page


def test_a_burning_slo_stands_on_top_as_an_incident(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    bad = Spell(NOW - SIX_HOURS, NOW, bad=5, model="gpt-4-0613")
    live_through(engine, app, [a_good_time(until=NOW - SIX_HOURS), bad])
    evaluate_slos(engine, REGISTRY, now=NOW)
    page = site.page("/")
    assert '<span class="status firing"><span aria-hidden="true">▲</span> firing</span>' in page
    assert page.index("Needs somebody") < page.index("SLOs of Support")
    assert 'href="/incidents/1"' in page


def test_without_a_worker_nothing_is_shown_as_healthy(site: Site, engine: Engine) -> None:
    app = watch_app(engine, objective=0.7)
    live_through(engine, app, [a_good_time()])
    assert "No SLO has been evaluated yet" in site.page("/")
    evaluate_slos(engine, REGISTRY, now=NOW)
    site.now = NOW + timedelta(minutes=3)
    page = site.page("/")
    assert "The worker is not running." in page
    assert '<span class="status healthy">' not in page
    assert "As of <time" in page


def test_the_backlog_of_scoring_is_shown(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    post(engine, app, [a_sample() for _ in range(7)])
    assert "7 samples, the oldest of" in site.page("/")


def test_abandoned_sessions_of_the_last_day_are_shown_with_their_interval(
    site: Site, engine: Engine
) -> None:
    app = declare_app(engine)
    assert "Sessions of Support" not in site.page("/")
    two_hours_ago = NOW - timedelta(hours=2)
    for number in range(10):
        outcome = "error" if number < 3 else "ok"
        session = {"session_id": f"s-{number}", "outcome": outcome}
        post(engine, app, [a_sample(called_at=two_hours_ago, **session)], now=two_hours_ago)
    close_sessions(engine, now=NOW)
    page = site.page("/")
    assert "Sessions of Support in the last 24 hours" in page
    assert "30.0 %" in page


def test_names_of_apps_are_escaped_and_simulations_are_labelled(site: Site, engine: Engine) -> None:
    declare_app(engine)
    with engine.begin() as connection:
        put_app(
            connection,
            name="support",
            display_name="<script>alert(1)</script>",
            team='"><b>',
            simulated=True,
            channel_names=(),
            now=NOW,
        )
    for address in ("/", "/reports"):
        page = site.page(address)
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert '<span class="simulated">simulated</span>' in page
        assert '"><b>' not in page


def test_pages_allow_nothing_from_elsewhere(site: Site, engine: Engine) -> None:
    watch_app(engine)
    for address in ("/", "/incidents/1", "/static/style.css"):
        policy = site.client.get(address).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
    page = site.page("/")
    assert not re.search(r"<script|style=|https?://", page)
    assert site.client.get("/static/style.css").headers["content-type"].startswith("text/css")
