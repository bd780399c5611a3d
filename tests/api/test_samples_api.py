import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select

from service.store import tables
from tests.declared import NOW
from tests.posted import Door, batch_in, count_in, open_door, sample_in, stored

BOMB = gzip.compress(b" " * 50_000_000, mtime=0)  # the same bytes in every test process


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine, max_body_bytes=1_000_000) as door:
        yield door


@pytest.fixture
def client(door: Door) -> httpx.Client:
    return door.client


def test_a_posted_batch_is_stored_queued_and_counted(client: httpx.Client, engine: Engine) -> None:
    answer = client.post(
        "/v1/samples", json=batch_in(sample_in(), sample_in(), counts=(count_in(), count_in()))
    )
    assert answer.status_code == 202
    receipt = answer.json()
    assert (receipt["accepted"], receipt["duplicate"], receipt["rejected"]) == (2, 0, 0)
    assert receipt["counts_accepted"] == 2
    assert stored(engine, tables.samples) == 2
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.call_counts.c.calls))) == 20
        assert connection.scalar(select(tables.scoring_jobs.c.sample_count)) == 2


def test_gzip_is_accepted(client: httpx.Client) -> None:
    body = gzip.compress(json.dumps(batch_in(sample_in())).encode())
    answer = client.post("/v1/samples", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("changes", "pointer", "reason"),
    [
        ({"keep_probability": None}, "/samples/1/keep_probability", "Expected `float`, got `null`"),
        ({"keep_probability": 0}, "/samples/1/keep_probability", "> 1e-06"),
        ({"prompt": "a\x00b"}, "/samples/1/prompt", "NUL"),
        ({"task": "x" * 201}, "/samples/1/task", "length <= 200"),
        ({"model": "é" * 150}, "/samples/1/model", "200 bytes"),
        ({"latency_ms": -1}, "/samples/1/latency_ms", ">= 0"),
        ({"called_at": "2026-11-25T12:00:00"}, "/samples/1/called_at", "timezone"),
        ({"called_at": "2026-11-25T12:06:00Z"}, "/samples/1/called_at", "ahead of the server"),
        ({"called_at": "2026-10-01T12:00:00Z"}, "/samples/1/called_at", "kept for 35 days"),
        ({"called_at": "0001-01-01T00:00:00+14:00"}, "/samples/1/called_at", "kept for 35 days"),
        ({"colour": "red"}, "/samples/1/colour", "is not a field here"),
        ({"attributes": {"a": {"b": 1}}}, "/samples/1/attributes", ""),
        ({"input_tokens": 10**12 + 1}, "/samples/1/input_tokens", "<= 1000000000000"),
    ],
)
def test_a_bad_item_costs_only_itself(
    client: httpx.Client, changes: dict[str, Any], pointer: str, reason: str
) -> None:
    answer = client.post(
        "/v1/samples", json=batch_in(sample_in(), sample_in(**changes), sample_in())
    )
    assert answer.status_code == 202
    receipt = answer.json()
    assert (receipt["accepted"], receipt["rejected"]) == (2, 1)
    (rejection,) = receipt["rejections"]
    assert rejection["pointer"].startswith(pointer)
    assert reason in rejection["reason"]


@pytest.mark.parametrize(
    ("literal", "pointer"),
    [
        ("NaN", "/samples/0/cost_usd"),
        ("Infinity", "/samples/0/cost_usd"),
        ("1e999", "/samples/0/cost_usd"),
    ],
)
def test_numbers_that_are_none_are_refused_item_by_item(
    client: httpx.Client, literal: str, pointer: str
) -> None:
    body = json.dumps(batch_in(sample_in(cost_usd=0.5), sample_in())).replace("0.5", literal)
    receipt = client.post("/v1/samples", content=body).json()
    assert receipt["accepted"] == 1
    assert receipt["rejections"][0]["pointer"] == pointer


def test_a_lone_surrogate_is_refused_and_the_rest_stored(client: httpx.Client) -> None:
    body = json.dumps(batch_in(sample_in(prompt="PLACE"), sample_in())).replace("PLACE", "\\ud800")
    receipt = client.post("/v1/samples", content=body).json()
    assert receipt["accepted"] == 1
    assert receipt["rejections"][0]["pointer"] == "/samples/0/prompt"


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail"),
    [
        (b"{", {}, 422, "not JSON"),
        (b"\xff\xfe", {}, 422, "UTF-8"),
        (b"[" * 100_000, {}, 422, "nested"),
        (b"1" * 10_000, {}, 422, ""),
        (b"[]", {}, 422, "Expected `object`"),
        (b"{}", {}, 422, "/batch_id"),
        (b"x" * 1_000_001, {}, 413, "1000000 bytes"),
        (
            BOMB,
            {"Content-Encoding": "gzip"},
            413,
            "decompression",
        ),
        (gzip.compress(b"{}", mtime=0)[:-5], {"Content-Encoding": "gzip"}, 400, "gzip"),
        (b"plain", {"Content-Encoding": "gzip"}, 400, "not gzip"),
        (b"{}", {"Content-Encoding": "br"}, 415, "use gzip, zstd or none"),
        (b"{}", {"Authorization": "Bearer wk_no"}, 401, "unknown or revoked"),
        (b"{}", {"Authorization": "Basic x"}, 401, "Bearer"),
    ],
)
def test_a_bad_request_is_answered_with_a_problem(
    client: httpx.Client, body: bytes, headers: dict[str, str], status: int, detail: str
) -> None:
    answer = client.post("/v1/samples", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert detail in answer.json()["detail"]


def test_a_key_opens_only_its_own_app(client: httpx.Client) -> None:
    answer = client.post("/v1/samples", json=batch_in(app="billing"))
    assert answer.status_code == 403


def test_partitions_are_made_for_late_samples(client: httpx.Client, engine: Engine) -> None:
    old = sample_in(called_at=(NOW - timedelta(days=30)).isoformat())
    assert client.post("/v1/samples", json=batch_in(old)).json()["accepted"] == 1
    assert stored(engine, tables.samples) == 1


def test_counts_that_add_up_beyond_what_can_be_stored_are_refused(
    client: httpx.Client, engine: Engine
) -> None:
    assert client.post("/v1/samples", json=batch_in(counts=(count_in(),))).status_code == 202
    with engine.begin() as connection:
        connection.execute(tables.call_counts.update().values(calls=2**63 - 1))
    answer = client.post("/v1/samples", json=batch_in(sample_in(), counts=(count_in(),)))
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(":counts-too-large")
    assert stored(engine, tables.samples) == 0


def test_a_full_batch_of_the_largest_counts_is_taken(client: httpx.Client) -> None:
    largest = count_in(calls=10**9, input_tokens=10**12, output_tokens=10**12)
    for _ in range(3):
        receipt = client.post("/v1/samples", json=batch_in(counts=(largest,) * 1_100)).json()
        assert receipt["counts_accepted"] == 1_100
    above = batch_in(counts=(count_in(calls=10**9 + 1),))
    assert client.post("/v1/samples", json=above).json()["counts_rejected"] == 1
