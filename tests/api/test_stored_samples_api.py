import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from service.domain.scores import NewScore, SliSlice
from service.flows.create_api_key import create_api_key
from service.settings import Settings
from service.store import exported_samples
from service.store.apps import App
from service.store.scores import insert_scores
from service.wiring import build_api
from tests.declared import NOW, a_sample, declare_app, post
from tests.serving import serving

MINUTE = timedelta(minutes=1)


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


@pytest.fixture
def client(engine: Engine, app: App) -> Iterator[httpx.Client]:
    """Its key may write and read."""
    key = create_api_key(engine, "support", scopes=("ingest", "read"), now=NOW)
    api = build_api(engine, Settings(), clock=lambda: NOW)
    headers = {"Authorization": f"Bearer {key.secret}"}
    with serving(api) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def page(client: httpx.Client, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/v1/samples", params=parameters)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def refusal(client: httpx.Client, status: int = 422, **parameters: Any) -> str:
    answer = client.get("/v1/samples", params=parameters)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def a_posted_sample(**changes: Any) -> dict[str, Any]:
    return {
        "sample_id": str(uuid4()),
        "called_at": "2026-11-25T11:59:00.123456Z",
        "environment": "staging",
        "task": "answer",
        "release": "1.2",
        "model": "gpt-4",
        "prompt_version": "v3",
        "outcome": "error",
        "error_type": "Timeout",
        "prompt": 'Is "7" prime?\n\u2028😀',
        "response": "",
        "reference": None,
        "latency_ms": 12.5,
        "input_tokens": 3,
        "output_tokens": None,
        "cost_usd": 0.001,
        "finish_reason": "stop",
        "session_id": "s/1",
        "user_id": "u+1@example.org",
        "keep_probability": 0.25,
        "attributes": {"retries": 2, "cached": True, "region": "eu"},
    } | changes


def test_what_was_posted_is_read_back(client: httpx.Client) -> None:
    told = a_posted_sample()
    batch = {"batch_id": str(uuid4()), "samples": [told], "call_counts": []}
    assert client.post("/v1/samples", json=batch).json()["accepted"] == 1
    read = page(client)
    assert read == {
        "samples": [told | {"received_at": "2026-11-25T12:00:00Z"}],
        "next_cursor": None,
    }


def test_pages_follow_their_cursors_to_the_end(
    client: httpx.Client, engine: Engine, app: App
) -> None:
    stored = [a_sample(called_at=NOW - n * MINUTE) for n in range(7)]
    post(engine, app, stored)
    for order, expected in (("desc", stored), ("asc", stored[::-1])):
        found, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            read = page(client, order=order, limit=3, **more)
            found += [sample["sample_id"] for sample in read["samples"]]
            cursor = read["next_cursor"]
            if cursor is None:
                break
        assert found == [str(sample.sample_id) for sample in expected]
    assert [s["sample_id"] for s in page(client, limit=1)["samples"]] == [str(stored[0].sample_id)]


def test_a_page_of_large_texts_is_short_and_has_a_successor(
    client: httpx.Client, engine: Engine, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_samples, "PAGE_BYTES", 10_000)
    post(engine, app, [a_sample(response="x" * 6_000) for _ in range(2)])
    first = page(client)
    assert len(first["samples"]) == 1
    second = page(client, cursor=first["next_cursor"])
    assert (len(second["samples"]), second["next_cursor"]) == (1, None)


def test_filters_are_all_applied(client: httpx.Client, engine: Engine, app: App) -> None:
    wanted = a_sample(
        called_at=NOW - MINUTE,
        environment="staging",
        release="1",
        prompt_version="2",
        outcome="error",
        session_id="s",
        user_id="u",
    )
    post(engine, app, [wanted, a_sample(), a_sample(called_at=NOW - 2 * MINUTE)])
    filters = {
        "since": (NOW - MINUTE).isoformat(),
        "until": NOW.isoformat().replace("+00:00", "Z"),
        "sample_id": str(wanted.sample_id),
        "environment": "staging",
        "task": "answer",
        "release": "1",
        "model": "gpt-4",
        "prompt_version": "2",
        "outcome": "error",
        "session_id": "s",
        "user_id": "u",
    }
    for name, value in filters.items():
        if name not in ("task", "model"):
            found = page(client, **{name: value})["samples"]
            assert len(found) < 3, name
    (only,) = page(client, **filters)["samples"]
    assert only["sample_id"] == str(wanted.sample_id)
    assert len(page(client, release="")["samples"]) == 2


def test_scores_come_with_their_samples_where_asked_for(
    client: httpx.Client, engine: Engine, app: App
) -> None:
    scored, unscored = a_sample(), a_sample(called_at=NOW - MINUTE)
    post(engine, app, [scored, unscored])
    where = SliSlice(NOW, "production", "answer", "", "gpt-4", "", "correct", "3")
    score = NewScore(scored.sample_id, scored.called_at, where, 0.5, False, "wrong", "why", 4.0)
    with engine.begin() as connection:
        insert_scores(connection, app.id, [score], now=NOW + MINUTE)
    with_scores, without = (
        page(client, include="scores")["samples"],
        page(client)["samples"],
    )
    assert [sample["scores"] for sample in with_scores] == [
        [
            {
                "evaluator": "correct",
                "evaluator_version": "3",
                "value": 0.5,
                "passed": False,
                "label": "wrong",
                "explanation": "why",
                "weight": 4.0,
                "scored_at": "2026-11-25T12:01:00Z",
            }
        ],
        [],
    ]
    assert all("scores" not in sample for sample in without)


def test_only_a_key_that_may_read_reads(client: httpx.Client, engine: Engine, app: App) -> None:
    post(engine, app, [a_sample()])
    writer = create_api_key(engine, "support", now=NOW)
    client.headers["Authorization"] = f"Bearer {writer.secret}"
    assert "--scope read" in refusal(client, 403)
    client.headers["Authorization"] = "Bearer wk_unknown"
    assert "unknown or revoked" in refusal(client, 401)
    del client.headers["Authorization"]
    assert "Send the app's key" in refusal(client, 401)


def test_a_key_reads_its_own_app_only(client: httpx.Client, engine: Engine) -> None:
    post(engine, declare_app(engine, "sales"), [a_sample()])
    assert page(client) == {"samples": [], "next_cursor": None}


def test_no_cache_keeps_an_answer(client: httpx.Client) -> None:
    assert client.get("/v1/samples").headers["cache-control"] == "no-store"


def test_a_tampered_cursor_is_refused(client: httpx.Client, engine: Engine, app: App) -> None:
    post(engine, app, [a_sample() for _ in range(3)])
    cursor = page(client, limit=1)["next_cursor"]
    assert len(page(client, cursor=cursor)["samples"]) == 2
    decoded = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    decoded[3] ^= 1
    moved = base64.urlsafe_b64encode(bytes(decoded)).decode().rstrip("=")
    far_away = base64.urlsafe_b64encode(b"\x7f" * 28).decode().rstrip("=")
    for junk in ("", "x", cursor[:-3], cursor + "AAAA", far_away, "ä" * 8, "****"):
        assert "pass next_cursor on as it is" in refusal(client, cursor=junk), junk
    assert "belongs to another query" in refusal(client, cursor=moved)
    assert "belongs to another query" in refusal(client, cursor=cursor, order="asc")
    assert "belongs to another query" in refusal(client, cursor=cursor, task="other")
    assert "cursor" in refusal(client, cursor="A" * 101)


JUNK: list[tuple[dict[str, str], str]] = [
    ({"since": "yesterday"}, "query.since"),
    ({"since": "2026-11-25T12:00:00"}, "timezone"),
    ({"since": "0001-01-01T00:00:00+14:00"}, "not a time that can be stored"),
    ({"until": "2026-13-01T00:00:00Z"}, "query.until"),
    (
        {"since": "2026-11-25T12:00:00Z", "until": "2026-11-25T12:00:00Z"},
        "since must be before",
    ),
    ({"limit": "0"}, "query.limit"),
    ({"limit": "1001"}, "query.limit"),
    ({"order": "up"}, "query.order"),
    ({"include": "bodies"}, "query.include"),
    ({"outcome": "meh"}, "query.outcome"),
    ({"sample_id": "7"}, "query.sample_id"),
    ({"user_id": "a\0b"}, "NUL"),
    ({"task": ""}, "query.task"),
    ({"model": "x" * 201}, "query.model"),
    ({"tsak": "answer"}, "query.tsak"),
]


def test_what_makes_no_sense_is_refused_with_its_name(client: httpx.Client) -> None:
    for parameters, reason in JUNK:
        assert reason in refusal(client, **parameters), parameters
