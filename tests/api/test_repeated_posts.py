"""What is posted twice, and what is posted at the same time."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select

from service.store import tables
from tests.declared import NOW
from tests.posted import Door, batch_in, count_in, open_door, sample_in, stored


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine, max_body_bytes=1_000_000) as door:
        yield door


@pytest.fixture
def client(door: Door) -> httpx.Client:
    return door.client


def test_the_same_batch_twice_is_stored_once(client: httpx.Client, engine: Engine) -> None:
    posted = batch_in(sample_in(), counts=(count_in(),))
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
    posted = batch_in(*(sample_in() for _ in range(50)), counts=(count_in(),))
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
    known = sample_in()
    client.post("/v1/samples", json=batch_in(known))
    receipt = client.post("/v1/samples", json=batch_in(known, sample_in(), known)).json()
    assert (receipt["accepted"], receipt["duplicate"]) == (1, 2)
    assert stored(engine, tables.samples) == 2
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.scoring_jobs.c.sample_count))) == 2


def test_one_id_with_two_times_in_a_batch_is_refused(client: httpx.Client, engine: Engine) -> None:
    known = sample_in()
    later = known | {"called_at": (NOW + timedelta(milliseconds=1)).isoformat()}
    receipt = client.post("/v1/samples", json=batch_in(known, later, known)).json()
    assert (receipt["accepted"], receipt["duplicate"], receipt["rejected"]) == (1, 1, 1)
    (rejection,) = receipt["rejections"]
    assert rejection["pointer"] == "/samples/1/sample_id"
    assert "/samples/0" in rejection["reason"]
    assert stored(engine, tables.samples) == 1


def test_overlapping_batches_in_opposite_orders_do_not_wait_in_a_circle(
    client: httpx.Client, engine: Engine
) -> None:
    for _ in range(3):
        shared = [sample_in() for _ in range(2_000)]
        start, answers = threading.Barrier(2), []

        def post(samples: list[dict[str, Any]]) -> None:
            start.wait()  # noqa: B023 - the threads end within this turn
            answers.append(client.post("/v1/samples", json=batch_in(*samples)))  # noqa: B023

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
    answer = client.post("/v1/samples", json=batch_in(sample_in()))
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
