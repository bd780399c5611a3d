"""Keys: what they may do, how fast, when they were used, and from when on no longer."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import httpx
import pytest
from sqlalchemy import Engine, select

from service.flows.create_api_key import create_api_key
from service.flows.revoke_api_key import revoke_api_key
from service.store import tables
from tests.declared import NOW
from tests.posted import Door, batch_in, open_door, sample_in, signal_in, stored


@dataclass
class Seconds:
    """A clock that stands still until it is told otherwise."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine) as door:
        door.resources.callers.clock_s = Seconds()
        yield door


def advance(door: Door, seconds: float) -> None:
    clock = door.resources.callers.clock_s
    assert isinstance(clock, Seconds)
    clock.now_s += seconds


def with_key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def post_with(door: Door, secret: str) -> httpx.Response:
    batch = batch_in(sample_in())
    return door.client.post("/v1/samples", json=batch, headers=with_key(secret))


def last_used(engine: Engine) -> list[datetime]:
    with engine.connect() as connection:
        return list(connection.scalars(select(tables.api_key_uses.c.last_used_at)))


def test_a_revoked_key_stores_nothing_though_another_process_remembers_it(
    door: Door, engine: Engine
) -> None:
    with open_door(engine, app=door.app) as other:
        for process in (door, other):
            assert post_with(process, door.secret).status_code == 202
        revoke_api_key(engine, door.app.name, door.secret, now=NOW)
        remembering = [process.resources.callers for process in (door, other)]
        assert all(c.remembered(f"Bearer {door.secret}") for c in remembering)
        for process in (door, other, door, other):
            answer = post_with(process, door.secret)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert "revoked" in answer.json()["detail"]
        assert not any(c.remembered(f"Bearer {door.secret}") for c in remembering)
        assert post_with(other, other.secret).status_code == 202
    assert stored(engine, tables.samples) == 3


@pytest.mark.parametrize("path", ["/v1/samples", "/v1/signals"])
def test_a_revoked_key_is_refused_even_with_nothing_to_store(
    door: Door, engine: Engine, path: str
) -> None:
    empty = batch_in() if path == "/v1/samples" else {"batch_id": "0" * 32, "signals": []}
    assert door.client.post(path, json=empty).status_code == 202
    revoke_api_key(engine, door.app.name, door.secret, now=NOW)
    assert door.client.post(path, json=empty).status_code == 401


def test_a_revoked_key_reads_nothing_more(door: Door, engine: Engine) -> None:
    assert door.client.get("/v1/samples").status_code == 200
    revoke_api_key(engine, door.app.name, door.secret, now=NOW)
    assert door.client.get("/v1/samples").status_code == 401


def test_a_key_is_replaced_without_a_moment_without_one(door: Door, engine: Engine) -> None:
    second = create_api_key(engine, door.app.name, now=NOW)
    assert [post_with(door, s).status_code for s in (door.secret, second.secret)] == [202, 202]
    revoke_api_key(engine, door.app.name, door.secret, now=NOW)
    assert [post_with(door, s).status_code for s in (door.secret, second.secret)] == [401, 202]


def test_a_key_that_may_only_read_brings_nothing_in(door: Door, engine: Engine) -> None:
    reader = create_api_key(engine, door.app.name, scopes=("read",), now=NOW)
    for path, body in (("/v1/samples", batch_in(sample_in())), ("/v1/signals", {})):
        answer = door.client.post(path, json=body, headers=with_key(reader.secret))
        assert answer.status_code == 403
        assert "keys create --app support --scope ingest" in answer.json()["detail"]
    assert stored(engine, tables.samples) == 0


def test_a_key_that_may_only_bring_in_reads_nothing(door: Door, engine: Engine) -> None:
    writer = create_api_key(engine, door.app.name, now=NOW)
    answer = door.client.get("/v1/samples", headers=with_key(writer.secret))
    assert answer.status_code == 403


def test_the_last_use_of_a_key_is_written_once_a_minute(door: Door, engine: Engine) -> None:
    written = []
    for seconds in (0, 1, 58, 1, 59, 1):
        advance(door, seconds)
        with engine.begin() as connection:
            connection.execute(tables.api_key_uses.delete())
        assert door.post(sample_in()).status_code == 202
        written.append(len(last_used(engine)))
    assert written == [1, 0, 0, 1, 0, 1]


def test_the_last_use_is_written_where_all_samples_were_stored_already(
    door: Door, engine: Engine
) -> None:
    known = sample_in()
    door.post(known)
    with engine.begin() as connection:
        connection.execute(tables.api_key_uses.delete())
    advance(door, 60)
    assert door.post(known).json()["duplicate"] == 1
    assert last_used(engine) == [NOW]


def test_a_key_beyond_its_rate_is_told_when_it_may_send_again(door: Door, engine: Engine) -> None:
    key = create_api_key(engine, door.app.name, rate_limit_per_s=10, now=NOW)
    door.client.headers.update(with_key(key.secret))
    assert door.post(*(sample_in() for _ in range(145))).status_code == 202
    refused = door.post(sample_in())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert "10 items a second" in refused.json()["detail"]
    advance(door, 4)
    assert door.post(sample_in()).headers["retry-after"] == "1"
    advance(door, 1)
    assert door.post(sample_in()).status_code == 202
    assert stored(engine, tables.samples) == 146


def test_what_a_key_was_refused_is_taken_when_it_sends_it_again(door: Door, engine: Engine) -> None:
    key = create_api_key(engine, door.app.name, rate_limit_per_s=1, now=NOW)
    door.client.headers.update(with_key(key.secret))
    door.post(*(sample_in() for _ in range(12)))
    again = batch_in(sample_in(), sample_in())
    refused = door.client.post("/v1/samples", json=again)
    assert refused.status_code == 429
    advance(door, float(refused.headers["retry-after"]))
    assert door.client.post("/v1/samples", json=again).json()["accepted"] == 2


def test_the_rate_of_one_key_is_not_that_of_another(door: Door, engine: Engine) -> None:
    slow = create_api_key(engine, door.app.name, rate_limit_per_s=0.001, now=NOW)
    assert [post_with(door, slow.secret).status_code for _ in range(2)] == [202, 429]
    assert post_with(door, door.secret).status_code == 202


def test_counts_signals_and_what_is_refused_count_as_items(engine: Engine) -> None:
    with open_door(engine, rate_limit_per_s=1) as door:
        door.resources.callers.clock_s = Seconds()
        signals = [signal_in() for _ in range(5)]
        assert door.post(5, 6, 7, 8, 9, sample_in(), signals=signals).status_code == 202
        assert door.post(sample_in()).headers["retry-after"] == "1"


def test_a_key_is_remembered_and_not_for_ever(door: Door) -> None:
    authorization = f"Bearer {door.secret}"
    callers = door.resources.callers
    assert callers.remembered(authorization) is None
    door.post(sample_in())
    assert callers.remembered(authorization) is not None
    advance(door, 5)
    assert callers.remembered(authorization) is None


def test_a_key_made_up_is_not_remembered(door: Door) -> None:
    answer = post_with(door, "wk_made-up")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert door.resources.callers.remembered("Bearer wk_made-up") is None
