import re
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.flows.evaluate_slos import evaluate_slos
from service.flows.open_incident import raise_alert
from service.flows.resolve_incident import resolve_incident
from service.flows.watch_blindness import watch_blindness
from service.store.incidents import read_incident
from tests.declared import NOW
from tests.flows.incident_fixtures import add_app
from tests.watched import REGISTRY, Spell, a_good_time, live_through, watch_app
from tests.web.conftest import Site

SIX_HOURS = timedelta(hours=6)


@pytest.fixture
def burning(engine: Engine) -> int:
    """An incident of an app whose new model is wrong."""
    app = watch_app(engine)
    bad = Spell(NOW - SIX_HOURS, NOW, bad=5, model="gpt-4-0613")
    live_through(engine, app, [a_good_time(until=NOW - SIX_HOURS), bad])
    evaluate_slos(engine, REGISTRY, now=NOW)
    return 1


def test_an_incident_shows_its_numbers_its_alerts_and_a_chart(site: Site, burning: int) -> None:
    page = site.page(f"/incidents/{burning}")
    assert "times the sustainable rate" in page
    assert "slo/support/correct" in page
    assert "Timeline" in page
    assert page.count("<svg") == 1
    assert "What to do next" in page


def test_the_version_that_turned_bad_stands_beside_the_one_before(site: Site, burning: int) -> None:
    page = site.page(f"/incidents/{burning}")
    rows = {
        model: re.sub(r"<[^>]+>|\s+", " ", row)
        for model, row in re.findall(r'<th scope="row">(gpt-4-\d+)</th>(.*?)</tr>', page, re.S)
    }
    assert "no data" in rows["gpt-4-0613"]
    assert "0 %" in rows["gpt-4-0613"]
    assert "80.0 %" in rows["gpt-4-0314"]
    assert "Compare the versions below" in page


def test_the_buttons_acknowledge_and_resolve(site: Site, engine: Engine, burning: int) -> None:
    answer = site.press(f"/incidents/{burning}/acknowledge", by=" Ada ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{burning}")
    page = site.page(f"/incidents/{burning}")
    assert "Acknowledged by Ada" in page
    assert "/acknowledge" not in page
    answer = site.press(f"/incidents/{burning}/resolve", by="Ada", note="rolled back")
    assert answer.status_code == 303
    with engine.connect() as connection:
        assert read_incident(connection, burning).incident.resolved_by == "Ada"
    page = site.page(f"/incidents/{burning}")
    assert "Resolved by Ada: rolled back" in page
    assert "<form" not in page


def test_who_comes_second_is_told_who_was_first(site: Site, burning: int) -> None:
    site.press(f"/incidents/{burning}/acknowledge", by="Ada")
    answer = site.press(f"/incidents/{burning}/acknowledge", by="Grace")
    assert answer.status_code == 409
    assert "was acknowledged by Ada" in answer.text


ELSEWHERE: tuple[dict[str, str], ...] = (
    {},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
    {"Origin": "http://[broken"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
)


def test_a_form_from_elsewhere_changes_nothing(site: Site, engine: Engine, burning: int) -> None:
    address = f"/incidents/{burning}/acknowledge"
    for headers in ELSEWHERE:
        assert site.client.post(address, data={"by": "eve"}, headers=headers).status_code == 403
    with engine.connect() as connection:
        assert read_incident(connection, burning).incident.status == "open"


def test_a_browser_that_says_same_origin_is_believed(site: Site, burning: int) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = site.client.post(
        f"/incidents/{burning}/acknowledge", data={"by": "Ada"}, headers=headers
    )
    assert answer.status_code == 303


def test_a_name_that_is_none_is_refused(site: Site, burning: int) -> None:
    for by in ("", "   ", "a\x00b", "x" * 201):
        answer = site.press(f"/incidents/{burning}/acknowledge", by=by)
        assert answer.status_code == 422
        assert ("Give your name" if not by.strip() else "by:") in answer.text


def test_a_form_that_is_too_large_is_not_read(site: Site, burning: int) -> None:
    answer = site.press(f"/incidents/{burning}/resolve", by="Ada", note="x" * 60_000)
    assert answer.status_code == 413


BAD_ADDRESSES = {
    "/incidents/99": 404,
    "/incidents/0": 422,
    "/incidents/-1": 422,
    "/incidents/9223372036854775808": 422,
    "/incidents/" + "9" * 5000: 422,
    "/incidents/%00": 422,
    "/incidents/one": 422,
    "/incidents?before=0": 422,
    "/incidents?before=x": 422,
    "/slos/support/%00": 422,
    "/slos/nobody/correct": 404,
    "/slos/support/nothing": 404,
    "/slos/%ff/%f0": 404,
    "/slos/support/" + "x" * 500: 422,
    "/reports/weekly": 422,
    "/reports/weekly?team=nobody": 404,
    "/reports/weekly?team=%00": 422,
    "/reports/weekly?team=care&week=2026-W60": 422,
    "/reports/weekly?team=care&week=9999-W01": 422,
}


def test_bad_addresses_are_answered_with_a_page(site: Site, engine: Engine) -> None:
    watch_app(engine)
    for address, status in BAD_ADDRESSES.items():
        assert f"Error {status}." in site.page(address, status=status)


def test_what_is_over_is_listed_apart_page_by_page(site: Site, engine: Engine) -> None:
    signal = add_app(engine)
    assert site.page("/incidents").count("None.") == 2
    for incident in range(1, 53):
        with engine.begin() as connection:
            raise_alert(connection, signal, now=NOW)
        if incident < 52:
            resolve_incident(engine, incident, by="Ada", now=NOW)
    page = site.page("/incidents")
    assert page.count('<span class="status open">') == 1
    assert page.count('<span class="status resolved">') == 50
    (older,) = re.findall(r'href="/incidents\?before=(\d+)"', page)
    assert site.page(f"/incidents?before={older}").count('<span class="status resolved">') == 1


def test_blindness_says_that_nothing_is_known(site: Site, engine: Engine) -> None:
    watch_app(engine)
    for minutes in range(0, 40, 4):
        watch_blindness(
            engine, patience=timedelta(minutes=30), now=NOW + timedelta(minutes=minutes)
        )
    page = site.page("/incidents/1")
    assert "cannot be judged" in page
    assert "nothing is known to be right" in page
    assert "SLOs of the same task" in page
