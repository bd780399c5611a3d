import re
from datetime import timedelta

from sqlalchemy import Engine

from service.domain.slis import Interval
from service.domain.spelling import between_points
from service.store.slos import find_slo, put_slo
from service.store.tasks import EvaluatorChoice
from tests.declared import NOW, declare_task
from tests.watched import Spell, a_good_time, live_through, watch_app
from tests.web.conftest import Site


def test_the_page_shows_what_the_api_says(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    bad = Spell(NOW - timedelta(days=4), NOW, scored=6, bad=3)
    live_through(engine, app, [a_good_time(until=NOW - timedelta(days=4)), bad])
    query = "team=care&week=2026-W48"
    api = site.client.get(f"/v1/reports/weekly?{query}").json()
    page = site.page(f"/reports/weekly?{query}")
    for slo in api["apps"][0]["slos"]:
        assert slo["sentence"] in page
        assert f"n = {slo['attainment']['n']:,}" in page
        assert between_points(Interval(*slo["change"]["interval"])) in page
    assert "50.0 %" in page
    assert '<span class="status firing"><span aria-hidden="true">▲</span> no</span>' in page
    assert "the week is not over" in page


def test_what_is_not_counted_stands_on_the_page(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    live_through(engine, app, [a_good_time(until=NOW - timedelta(days=1))])
    declare_task(engine, app, EvaluatorChoice("expected_answer", {"pattern": "(.*)"}, None))
    live_through(engine, app, [Spell(NOW - timedelta(days=1), NOW)])
    page = site.page("/reports/weekly?team=care&week=2026-W48")
    assert "n = 720 of 1,800" in page
    assert "over 28 d, 6.7 % of it counted" in page
    assert "Cannot tell: only 720 of 1,800 answers of this week are counted, 40.0 %" in page
    past = site.page("/reports/weekly?team=care&week=2026-W47")
    assert "it is not the version in force" in past


def test_weeks_lead_to_the_ones_beside_them(site: Site, engine: Engine) -> None:
    watch_app(engine, team="care & co")
    page = site.page("/reports/weekly?team=care%20%26%20co&week=2026-W47")
    links = re.findall(r'rel="(prev|next)" href="([^"]+)"', page)
    assert [rel for rel, _ in links] == ["prev", "next"]
    for _, link in links:
        assert "Week 2026-W4" in site.page(link.replace("&amp;", "&"))
    assert 'rel="next"' not in site.page("/reports/weekly?team=care%20%26%20co&week=2026-W48")
    assert 'rel="prev"' not in site.page("/reports/weekly?team=care%20%26%20co&week=1970-W01")


def test_without_data_no_share_is_shown(site: Site, engine: Engine) -> None:
    watch_app(engine)
    page = site.page("/reports/weekly?team=care")
    assert "no data" in page
    assert not re.search(r"(?<![\d.])0(\.0)? %", page)


def test_the_teams_are_listed_with_their_reports(site: Site, engine: Engine) -> None:
    assert "No team has an app yet" in site.page("/reports")
    watch_app(engine)
    page = site.page("/reports")
    assert "/reports/weekly?team=care&amp;week=2026-W48" in page
    assert "/reports/weekly?team=care&amp;week=2026-W47" in page


def test_a_cost_that_no_call_reported_is_not_nothing(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    live_through(engine, app, [Spell(NOW - timedelta(days=1), NOW, cost_usd=0.0)])
    page = site.page("/reports/weekly?team=care&week=2026-W48")
    assert page.count("not reported") == 3  # of the app and of both SLOs
    assert "$0.00" not in page


def test_two_slos_of_one_display_name_are_told_apart(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    for address in ("/", "/reports/weekly?team=care"):
        assert "<code>available</code>" not in site.page(address)
    with engine.begin() as connection:
        stored = find_slo(connection, "support", "available")
        assert stored is not None
        put_slo(connection, app.id, stored.slo, display_name="Answers are correct")
    for address in ("/", "/reports/weekly?team=care"):
        page = site.page(address)
        assert "<code>available</code>" in page
        assert "<code>correct</code>" in page
