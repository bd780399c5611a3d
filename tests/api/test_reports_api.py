from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Engine

from service.settings import Settings
from service.wiring import build_api
from tests.declared import NOW
from tests.serving import serving
from tests.watched import Spell, live_through, watch_app


@pytest.fixture
def client(engine: Engine) -> Iterator[httpx.Client]:
    app = build_api(engine, Settings(), clock=lambda: NOW)
    with serving(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_the_report_is_ratios_with_intervals(client: httpx.Client, engine: Engine) -> None:
    app = watch_app(engine)
    live_through(engine, app, [Spell(NOW - timedelta(days=9), NOW - timedelta(days=3), bad=1)])
    an_hour = NOW - timedelta(days=16), NOW - timedelta(days=16) + timedelta(hours=1)
    live_through(engine, app, [Spell(*an_hour, bad=1)])
    answer = client.get("/v1/reports/weekly", params={"team": "care", "week": "2026-W47"})
    assert answer.status_code == 200
    report = answer.json()
    assert (report["team"], report["week"], report["is_complete"]) == ("care", "2026-W47", True)
    (reported,) = report["apps"]
    correct = {slo["name"]: slo for slo in reported["slos"]}["correct"]
    lower, upper = correct["attainment"]["interval"]
    assert lower < 0.8 < upper
    assert correct["attainment"]["good_ratio"] == pytest.approx(0.8)
    assert correct["attainment"]["n"] == correct["attainment"]["effective_n"] > 0
    assert correct["held"] == "cannot tell"
    assert correct["coverage"]["counted"] == correct["attainment"]["n"]
    assert correct["coverage_before"]["share"] == correct["budget_coverage"]["share"] == 1
    assert correct["change"]["direction"] == "cannot tell"
    lower, upper = correct["change"]["interval"]
    assert lower < correct["change"]["difference"] < upper
    assert correct["version_in_force"] == correct["evaluator_version"]
    assert correct["window_s"] == 28 * 86400
    assert reported["calls"]["relative_change"] == pytest.approx(143)  # 6 days, then an hour


def test_no_data_is_null(client: httpx.Client, engine: Engine) -> None:
    watch_app(engine)
    report = client.get("/v1/reports/weekly", params={"team": "care"}).json()
    assert report["week"] == "2026-W48"
    assert report["apps"][0]["calls"]["relative_change"] is None
    for slo in report["apps"][0]["slos"]:
        assert slo["attainment"]["good_ratio"] is None
        assert slo["attainment"]["interval"] is None
        assert slo["budget"]["spent"] is None
        assert slo["coverage"]["share"] is slo["change"]["interval"] is None


BAD_QUERIES = (
    ("team=nobody", 404, "the teams are: care"),
    ("", 422, "team"),
    ("team=", 422, "team"),
    ("team=%00", 422, "NUL"),
    ("team=%ff", 404, "the teams are"),
    ("team=" + "x" * 1000, 422, "team"),
    ("team=care&week=2026-W60", 422, "no week 60"),
    ("team=care&week=last", 422, "written like 2026-W47"),
    ("team=care&week=%00", 422, "written like"),
    ("team=care&week=", 422, "written like"),
    ("team=care&week=9999-W52", 422, "has not begun"),
    ("team=care&week=" + "9" * 1000, 422, "week"),
)


def test_bad_input_is_answered_with_a_problem(client: httpx.Client, engine: Engine) -> None:
    watch_app(engine)
    for query, status, says in BAD_QUERIES:
        answer = client.get(f"/v1/reports/weekly?{query}")
        assert answer.status_code == status, query
        assert answer.headers["content-type"] == "application/problem+json"
        assert says in answer.json()["detail"]
