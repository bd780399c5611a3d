import gzip
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine, func, select

from service.flows.create_api_key import create_api_key
from service.settings import Settings
from service.store import tables
from service.store.apps import put_app
from service.wiring import build_api
from tests.serving import serving

BOMB = gzip.compress(b" " * 50_000_000, mtime=0)  # the same bytes in every test process
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def client(engine: Engine) -> Iterator[httpx.Client]:
    with engine.begin() as connection:
        put_app(
            connection,
            name="support",
            display_name="Support",
            team="care",
            simulated=False,
            channel_names=(),
            now=NOW,
        )
    key = create_api_key(engine, "support", now=NOW)
    app = build_api(engine, Settings(max_body_bytes=1_000_000), clock=lambda: NOW)
    headers = {"Authorization": f"Bearer {key.secret}"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def sample(**changes: Any) -> dict[str, Any]:
    return {
        "sample_id": str(uuid4()),
        "called_at": NOW.isoformat(),
        "task": "answer",
        "model": "gpt-4",
        "prompt": "Is 7 prime?",
        "response": "[Yes]",
        "keep_probability": 1.0,
    } | changes


def batch(*samples: Any, counts: tuple[Any, ...] = (), **changes: Any) -> dict[str, Any]:
    return {
        "batch_id": str(uuid4()),
        "samples": list(samples),
        "call_counts": list(counts),
    } | changes


def count(**changes: Any) -> dict[str, Any]:
    return {"minute": NOW.isoformat(), "task": "answer", "model": "gpt-4", "calls": 10} | changes


def stored(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_a_posted_batch_is_stored_queued_and_counted(client: httpx.Client, engine: Engine) -> None:
    answer = client.post("/v1/samples", json=batch(sample(), sample(), counts=(count(), count())))
    assert answer.status_code == 202
    receipt = answer.json()
    assert (receipt["accepted"], receipt["duplicate"], receipt["rejected"]) == (2, 0, 0)
    assert receipt["counts_accepted"] == 2
    assert stored(engine, tables.samples) == 2
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.call_counts.c.calls))) == 20
        assert connection.scalar(select(tables.scoring_jobs.c.sample_count)) == 2


def test_the_same_batch_twice_is_stored_once(client: httpx.Client, engine: Engine) -> None:
    posted = batch(sample(), counts=(count(),))
    client.post("/v1/samples", json=posted)
    again = client.post("/v1/samples", json=posted)
    assert again.status_code == 202
    assert (again.json()["accepted"], again.json()["duplicate"]) == (0, 1)
    assert stored(engine, tables.samples) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.call_counts.c.calls))) == 10


def test_the_same_batch_from_many_threads_at_once_is_stored_once(
    client: httpx.Client, engine: Engine
) -> None:
    posted = batch(*(sample() for _ in range(50)), counts=(count(),))
    start = threading.Barrier(8)
    receipts = []

    def post() -> None:
        start.wait()
        receipts.append(client.post("/v1/samples", json=posted).json())

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipt["accepted"] for receipt in receipts) == [0] * 7 + [50]
    assert stored(engine, tables.samples) == 50


def test_a_sample_that_is_already_stored_is_a_duplicate_in_another_batch(
    client: httpx.Client, engine: Engine
) -> None:
    known = sample()
    client.post("/v1/samples", json=batch(known))
    receipt = client.post("/v1/samples", json=batch(known, sample(), known)).json()
    assert (receipt["accepted"], receipt["duplicate"]) == (1, 2)
    assert stored(engine, tables.samples) == 2
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.scoring_jobs.c.sample_count))) == 2


def test_gzip_is_accepted(client: httpx.Client) -> None:
    body = gzip.compress(json.dumps(batch(sample())).encode())
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
        ({"called_at": "2026-11-23T12:00:00"}, "/samples/1/called_at", "timezone"),
        ({"called_at": "2026-11-23T12:06:00Z"}, "/samples/1/called_at", "ahead of the server"),
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
    answer = client.post("/v1/samples", json=batch(sample(), sample(**changes), sample()))
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
    body = json.dumps(batch(sample(cost_usd=0.5), sample())).replace("0.5", literal)
    receipt = client.post("/v1/samples", content=body).json()
    assert receipt["accepted"] == 1
    assert receipt["rejections"][0]["pointer"] == pointer


def test_a_lone_surrogate_is_refused_and_the_rest_stored(client: httpx.Client) -> None:
    body = json.dumps(batch(sample(prompt="PLACE"), sample())).replace("PLACE", "\\ud800")
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
    answer = client.post("/v1/samples", json=batch(app="billing"))
    assert answer.status_code == 403


def test_partitions_are_made_for_late_samples(client: httpx.Client, engine: Engine) -> None:
    old = sample(called_at=(NOW - timedelta(days=30)).isoformat())
    assert client.post("/v1/samples", json=batch(old)).json()["accepted"] == 1
    assert stored(engine, tables.samples) == 1


def test_one_id_with_two_times_in_a_batch_is_refused(client: httpx.Client, engine: Engine) -> None:
    known = sample()
    later = known | {"called_at": (NOW + timedelta(milliseconds=1)).isoformat()}
    receipt = client.post("/v1/samples", json=batch(known, later, known)).json()
    assert (receipt["accepted"], receipt["duplicate"], receipt["rejected"]) == (1, 1, 1)
    (rejection,) = receipt["rejections"]
    assert rejection["pointer"] == "/samples/1/sample_id"
    assert "/samples/0" in rejection["reason"]
    assert stored(engine, tables.samples) == 1


def test_overlapping_batches_in_opposite_orders_do_not_wait_in_a_circle(
    client: httpx.Client, engine: Engine
) -> None:
    for _ in range(3):
        shared = [sample() for _ in range(2_000)]
        start, answers = threading.Barrier(2), []

        def post(samples: list[dict[str, Any]]) -> None:
            start.wait()  # noqa: B023 - the threads end within this turn
            answers.append(client.post("/v1/samples", json=batch(*samples)))  # noqa: B023

        threads = [threading.Thread(target=post, args=(order,)) for order in (shared, shared[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [202, 202]
        accepted = [answer.json()["accepted"] for answer in answers]
        assert sorted(accepted) == [0, 2_000]
    assert stored(engine, tables.samples) == 3 * 2_000


def test_a_deadlock_is_answered_with_when_to_send_again(
    client: httpx.Client, engine: Engine
) -> None:
    fail_inserts(engine, "40P01")
    answer = client.post("/v1/samples", json=batch(sample()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"].endswith(":write-conflict")
    assert stored(engine, tables.ingest_batches) == 0, "sent again, it must not be a duplicate"


def fail_inserts(engine: Engine, sqlstate: str) -> None:
    """Every new sample raises this, with its prompt in the message."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION 'no: %%', NEW.prompt USING ERRCODE = '{sqlstate}'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON samples FOR EACH ROW EXECUTE FUNCTION refuse()"
        )


def test_counts_that_add_up_beyond_what_can_be_stored_are_refused(
    client: httpx.Client, engine: Engine
) -> None:
    assert client.post("/v1/samples", json=batch(counts=(count(),))).status_code == 202
    with engine.begin() as connection:
        connection.execute(tables.call_counts.update().values(calls=2**63 - 1))
    answer = client.post("/v1/samples", json=batch(sample(), counts=(count(),)))
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(":counts-too-large")
    assert stored(engine, tables.samples) == 0


def test_a_full_batch_of_the_largest_counts_is_taken(client: httpx.Client) -> None:
    largest = count(calls=10**9, input_tokens=10**12, output_tokens=10**12)
    for _ in range(3):
        receipt = client.post("/v1/samples", json=batch(counts=(largest,) * 1_100)).json()
        assert receipt["counts_accepted"] == 1_100
    above = batch(counts=(count(calls=10**9 + 1),))
    assert client.post("/v1/samples", json=above).json()["counts_rejected"] == 1
