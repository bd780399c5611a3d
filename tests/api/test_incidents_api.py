"""`/v1/incidents` over HTTP, on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from service.domain.incidents import AlertSignal
from service.domain.notifications import Channel
from service.flows.open_incident import raise_alert
from service.settings import Settings
from service.wiring import build_api
from tests.flows.incident_fixtures import NOON, add_app
from tests.serving import serving

BEYOND_BIGINT = 2**63


@pytest.fixture
def client(engine: Engine) -> Iterator[httpx.Client]:
    app = build_api(engine, Settings(), clock=lambda: NOON)
    with serving(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def signal(engine: Engine) -> AlertSignal:
    return add_app(engine, Channel("ops", "webhook", "http://127.0.0.1:9/?token=s3cret"))


@pytest.fixture
def incident_id(engine: Engine, signal: AlertSignal) -> int:
    return _raise(engine, signal)


def _raise(engine: Engine, signal: AlertSignal) -> int:
    with engine.begin() as connection:
        return raise_alert(connection, signal, now=NOON).id


def _expect_problem(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["detail"])


def test_an_incident_is_shown_with_its_alerts_and_timeline(
    client: httpx.Client, incident_id: int, signal: AlertSignal
) -> None:
    shown = client.get(f"/v1/incidents/{incident_id}").json()
    assert shown["incident"]["status"] == "open"
    assert shown["incident"]["app"] == "support"
    assert [alert["source"] for alert in shown["alerts"]] == [signal.source]
    assert [event["kind"] for event in shown["timeline"]] == ["opened"]


def test_somebody_acknowledges_and_resolves(client: httpx.Client, incident_id: int) -> None:
    taken = client.post(f"/v1/incidents/{incident_id}/acknowledge", json={"by": "Ann"}).json()
    assert (taken["status"], taken["acknowledged_by"]) == ("acknowledged", "Ann")
    over = client.post(
        f"/v1/incidents/{incident_id}/resolve", json={"by": "Bob", "note": "rolled back"}
    ).json()
    assert (over["status"], over["resolved_by"]) == ("resolved", "Bob")
    timeline = client.get(f"/v1/incidents/{incident_id}").json()["timeline"]
    assert timeline[-1]["text"] == "Resolved by Bob: rolled back"


@pytest.mark.parametrize("act", ["acknowledge", "resolve"])
def test_who_comes_second_is_told_who_was_first_and_when(
    client: httpx.Client, incident_id: int, act: str
) -> None:
    client.post(f"/v1/incidents/{incident_id}/{act}", json={"by": "Ann"})
    answer = client.post(f"/v1/incidents/{incident_id}/{act}", json={"by": "Bob"})
    assert "by Ann at 2026-11-20 12:00:00 UTC" in _expect_problem(answer, 409)


def test_the_list_is_filtered_and_paged(
    client: httpx.Client, engine: Engine, signal: AlertSignal
) -> None:
    ids = [
        _raise(engine, replace(signal, source=f"slo/{task}", task=task)) for task in ("a", "b", "c")
    ]
    add_app(engine, name="search")
    client.post(f"/v1/incidents/{ids[0]}/acknowledge", json={"by": "Ann"})

    def listed(query: str) -> list[int]:
        answer = client.get(f"/v1/incidents?{query}").json()
        return [incident["id"] for incident in answer["incidents"]]

    assert listed("") == ids[::-1]
    assert listed("status=open") == [ids[2], ids[1]]
    assert listed("status=open&status=acknowledged") == ids[::-1]
    assert listed("status=resolved") == []
    assert listed("app=support") == ids[::-1]
    assert listed("app=search") == []
    page = client.get("/v1/incidents?limit=2").json()
    assert page["next_before"] == ids[1]
    rest = client.get(f"/v1/incidents?limit=2&before={page['next_before']}").json()
    assert ([i["id"] for i in rest["incidents"]], rest["next_before"]) == ([ids[0]], None)


def test_an_unknown_app_is_not_an_app_without_incidents(client: httpx.Client) -> None:
    assert "no app 'suport'" in _expect_problem(client.get("/v1/incidents?app=suport"), 404)


@pytest.mark.parametrize(
    "query",
    [
        "status=broken",
        "status=",
        "app=",
        "app=%00",
        "app=" + "x" * 300,
        "before=0",
        f"before={BEYOND_BIGINT}",
        "before=x",
        "before=" + "9" * 5000,
        "limit=0",
        "limit=201",
    ],
)
def test_a_bad_query_is_answered(client: httpx.Client, query: str) -> None:
    _expect_problem(client.get(f"/v1/incidents?{query}"), 422)


@pytest.mark.parametrize(
    ("path_id", "status"),
    [("1", 404), (str(2**63 - 1), 404), ("0", 422), (str(BEYOND_BIGINT), 422), ("x", 422)],
)
def test_an_incident_that_is_not_there_is_answered(
    client: httpx.Client, path_id: str, status: int
) -> None:
    _expect_problem(client.get(f"/v1/incidents/{path_id}"), status)
    for act in ("acknowledge", "resolve"):
        answer = client.post(f"/v1/incidents/{path_id}/{act}", json={"by": "Ann"})
        _expect_problem(answer, status)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"by": ""}',
        b'{"by": 7}',
        b'{"by": "a\\u0000b"}',
        b'{"by": "\\ud800"}',
        b'{"by": "Ann", "note": "\\u0000"}',
        b'{"by": "Ann", "note": null}',
        b'{"by": "Ann", "nte": "typo"}',
        b'{"by": "' + b"x" * 201 + b'"}',
        b'{"by": "' + "ä".encode() * 150 + b'"}',
        b'{"by": "Ann", "note": "' + b"x" * 4001 + b'"}',
        b'{"by": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_bad_body_is_answered_and_changes_nothing(
    client: httpx.Client, incident_id: int, body: bytes
) -> None:
    answer = client.post(
        f"/v1/incidents/{incident_id}/resolve",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code in (400, 422), answer.text
    _expect_problem(answer, answer.status_code)
    assert client.get(f"/v1/incidents/{incident_id}").json()["incident"]["status"] == "open"


def test_a_form_of_another_site_cannot_acknowledge(client: httpx.Client, incident_id: int) -> None:
    answer = client.post(
        f"/v1/incidents/{incident_id}/acknowledge",
        content=b'{"by": "Mallory"}',
        headers={"content-type": "text/plain"},
    )
    _expect_problem(answer, 422)


def test_nothing_shows_a_channels_token(client: httpx.Client, incident_id: int) -> None:
    shown = client.get(f"/v1/incidents/{incident_id}")
    assert shown.status_code == 200
    assert "s3cret" not in shown.text
