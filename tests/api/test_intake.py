"""Requests that come together are committed together, and answered each for itself."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, create_engine, func, select, text

from service.flows.create_api_key import create_api_key
from service.flows.revoke_api_key import revoke_api_key
from service.store import tables
from tests.declared import NOW, declare_app
from tests.posted import Door, batch_in, count_in, open_door, sample_in, stored
from tests.waiting import wait_for

Batch = dict[str, Any]


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine) as door:
        door.post()  # makes the partitions, and the key known
        yield door


def post(door: Door, batch: Batch, secret: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret or door.secret}"}
    return door.client.post("/v1/samples", content=json.dumps(batch), headers=headers)


@contextmanager
def held_up(door: Door, engine: Engine) -> Iterator[ThreadPoolExecutor]:
    """A first request is in the middle of its transaction until the block ends."""
    with ThreadPoolExecutor(100) as pool:
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE ingest_batches IN EXCLUSIVE MODE"))
            first = pool.submit(door.post)
            wait_for(lambda: is_waiting(engine), what="the first transaction")
            yield pool
        assert first.result().status_code == 202


def is_waiting(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def expect_to_have_arrived(door: Door, size: int) -> None:
    wait_for(lambda: door.resources.room.taken >= size, what="all requests")
    # Whatever the loop had begun with them is done before this is answered.
    door.client.get("/healthz")


def post_as_one_group(
    door: Door, engine: Engine, batches: Sequence[Batch], secrets: Sequence[str] = ()
) -> list[httpx.Response]:
    posted: list[Future[httpx.Response]] = []
    with held_up(door, engine) as pool:
        size = door.resources.room.taken + sum(len(json.dumps(batch)) for batch in batches)
        # One after the other, in the order of the list.
        for number, batch in enumerate(batches):
            taken = door.resources.room.taken
            secret = secrets[number] if secrets else None
            posted.append(pool.submit(post, door, batch, secret))
            expect_to_have_arrived(door, taken + len(json.dumps(batch)))
        expect_to_have_arrived(door, size)
    return [future.result() for future in posted]


def transactions(engine: Engine) -> int:
    """How many have written the samples that are stored."""
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(DISTINCT xmin::text) FROM samples")) or 0


def column(answers: Sequence[httpx.Response], name: str) -> list[Any]:
    return [answer.json()[name] for answer in answers]


def test_single_samples_that_come_together_are_one_transaction_and_one_job(
    door: Door, engine: Engine
) -> None:
    batches = [batch_in(sample_in(), counts=(count_in(),)) for _ in range(20)]
    answers = post_as_one_group(door, engine, batches)
    assert column(answers, "accepted") == [1] * 20
    assert column(answers, "batch_id") == [batch["batch_id"] for batch in batches]
    assert (stored(engine, tables.samples), transactions(engine)) == (20, 1)
    with engine.connect() as connection:
        assert connection.scalars(select(tables.scoring_jobs.c.sample_count)).all() == [20]
        assert connection.scalar(select(func.sum(tables.call_counts.c.calls))) == 200


def test_a_rush_of_single_samples_is_stored_once_each_in_fewer_transactions(
    door: Door, engine: Engine
) -> None:
    batches = [batch_in(sample_in()) for _ in range(300)]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda batch: post(door, batch), batches))
    assert column(answers, "accepted") == [1] * 300
    assert stored(engine, tables.samples) == 300
    assert transactions(engine) < 300
    assert stored(engine, tables.scoring_jobs) == transactions(engine)


def test_a_post_that_cannot_be_stored_costs_only_itself(door: Door, engine: Engine) -> None:
    door.post(counts=(count_in(model="full"),))
    with engine.begin() as connection:
        connection.execute(tables.call_counts.update().values(calls=2**63 - 1))
    before = stored(engine, tables.ingest_batches)
    batches = [batch_in(sample_in(), counts=(count_in(),)) for _ in range(5)]
    batches[2]["call_counts"].append(count_in(model="full"))
    answers = post_as_one_group(door, engine, batches)
    assert [answer.status_code for answer in answers] == [202, 202, 422, 202, 202]
    assert answers[2].json()["type"].endswith(":counts-too-large")
    assert stored(engine, tables.samples) == 4
    claimed = stored(engine, tables.ingest_batches) - before
    assert claimed == 5, "four, and the one that held them up"


def test_a_batch_that_is_twice_in_a_group_is_stored_once(door: Door, engine: Engine) -> None:
    batch = batch_in(sample_in(), sample_in(), counts=(count_in(),))
    answers = post_as_one_group(door, engine, [batch, batch_in(sample_in()), batch])
    assert column(answers, "accepted") == [2, 1, 0]
    assert column(answers, "duplicate") == [0, 0, 2]
    assert column(answers, "counts_accepted") == [1, 0, 0]
    assert (stored(engine, tables.samples), transactions(engine)) == (3, 1)


def test_a_sample_that_is_in_two_batches_of_a_group_is_stored_once(
    door: Door, engine: Engine
) -> None:
    shared = sample_in()
    batches = [batch_in(sample_in(), shared), batch_in(shared, sample_in(), sample_in())]
    answers = post_as_one_group(door, engine, batches)
    assert column(answers, "accepted") == [2, 2]
    assert column(answers, "duplicate") == [0, 1]
    assert (stored(engine, tables.samples), transactions(engine)) == (4, 1)


def test_a_sample_that_was_stored_before_the_group_is_nobodys(door: Door, engine: Engine) -> None:
    known = sample_in()
    door.post(known)
    answers = post_as_one_group(
        door, engine, [batch_in(sample_in(), known), batch_in(known), batch_in(sample_in())]
    )
    assert column(answers, "accepted") == [1, 0, 1]
    assert column(answers, "duplicate") == [1, 1, 0]
    assert stored(engine, tables.samples) == 3


def test_two_apps_in_a_group_are_kept_apart(door: Door, engine: Engine) -> None:
    other = declare_app(engine, "billing")
    secret = create_api_key(engine, other.name, now=NOW).secret
    post(door, batch_in(), secret)
    # The same batch and the same sample: what another app posts is none of ours.
    batch = batch_in(sample_in(), counts=(count_in(),))
    answers = post_as_one_group(door, engine, [batch, batch], [door.secret, secret])
    assert column(answers, "accepted") == [1, 1]
    with engine.connect() as connection:
        by_app = select(tables.samples.c.app_id).order_by(tables.samples.c.app_id)
        assert connection.scalars(by_app).all() == sorted([door.app.id, other.id])
    assert (stored(engine, tables.call_counts), transactions(engine)) == (2, 1)


def test_a_key_that_is_revoked_meanwhile_costs_only_its_own_posts(
    door: Door, engine: Engine
) -> None:
    leaked = create_api_key(engine, door.app.name, now=NOW).secret
    post(door, batch_in(), leaked)
    revoke_api_key(engine, door.app.name, leaked, now=NOW)
    batches = [batch_in(sample_in()) for _ in range(3)]
    answers = post_as_one_group(door, engine, batches, [door.secret, leaked, door.secret])
    assert [answer.status_code for answer in answers] == [202, 401, 202]
    assert (stored(engine, tables.samples), transactions(engine)) == (2, 1)
    with engine.connect() as connection:
        claimed = connection.scalars(select(tables.ingest_batches.c.batch_id)).all()
    assert UUID(batches[1]["batch_id"]) not in claimed


def test_who_hangs_up_harms_nobody(door: Door, engine: Engine) -> None:
    url = urlsplit(str(door.client.base_url))
    body = json.dumps(batch_in(sample_in())).encode()
    head = (
        f"POST /v1/samples HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {door.secret}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with held_up(door, engine) as pool:
        taken = door.resources.room.taken
        with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
            connection.sendall(head.encode() + body)
            expect_to_have_arrived(door, taken + len(body))
        others = [pool.submit(post, door, batch_in(sample_in())) for _ in range(3)]
        expect_to_have_arrived(door, taken + 4 * len(body))
    assert column([other.result() for other in others], "accepted") == [1, 1, 1]
    wait_for(lambda: door.resources.room.taken == 0, what="an empty room")
    assert stored(engine, tables.samples) == 4, "it was in the group, whoever waits for the answer"


@pytest.mark.parametrize(
    ("sqlstate", "status", "retry_after"), [("40P01", 503, "1"), ("XX001", 500, None)]
)
def test_trouble_of_the_whole_group_is_told_to_each(
    door: Door, engine: Engine, sqlstate: str, status: int, retry_after: str | None
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON samples FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    answers = post_as_one_group(door, engine, [batch_in(sample_in()) for _ in range(4)])
    assert [answer.status_code for answer in answers] == [status] * 4
    assert {answer.headers.get("retry-after") for answer in answers} == {retry_after}
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse ON samples")
    assert door.post(sample_in()).status_code == 202


def test_while_the_database_is_away_all_are_told_so_at_once(door: Door, engine: Engine) -> None:
    name = engine.url.database
    server = create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as admin:
        admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        admin.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        began = time.monotonic()
        with ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(lambda _: door.post(sample_in()), range(30)))
        took_s = time.monotonic() - began
        admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    server.dispose()
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}
    assert took_s < 10
    assert door.post(sample_in()).status_code == 202
    assert stored(engine, tables.samples) == 1
