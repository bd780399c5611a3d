"""Which batch is tried next, and what a full spool loses first."""

import gzip
import json
import uuid

import pytest

from watchkeeper.batches import Batch
from watchkeeper.compression import decompressed
from watchkeeper.ledger import Ledger
from watchkeeper.outbox import MEMORY_BYTES, ROTATE_AFTER, Outbox
from watchkeeper.spool import Spool
from watchkeeper.troubles import Troubles


def batch(number, samples=3, size=0, calls=(3, 4)):
    body = {"samples": [{"n": n} for n in range(samples)], "call_counts": list(calls)}
    raw = gzip.compress(json.dumps(body).encode()) + b"\0" * size
    return Batch(str(uuid.uuid4()), raw, samples, 0, calls, number, None)


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def memory(ledger):
    return Outbox(ledger, Ledger(), max_samples=10)


def spooled(folder, ledger, max_bytes=10**9):
    return Outbox(ledger, Ledger(), 10, Spool(str(folder), "id", Troubles()), max_bytes)


def fail(outbox, times, rest_until):
    for _ in range(times):
        assert outbox.put_off(outbox.candidate(0.0), rest_until)


def test_the_oldest_goes_first_until_it_failed_too_often(memory):
    first, second = batch(1), batch(2)
    memory.put(first)
    memory.put(second)
    fail(memory, ROTATE_AFTER - 1, rest_until=10.0)
    assert memory.candidate(0.0).batch is first
    fail(memory, 1, rest_until=10.0)
    assert memory.candidate(0.0).batch is second
    assert memory.candidate(10.0).batch is first
    memory.settle(memory.candidate(0.0), is_stored=True)
    assert memory.candidate(0.0) is None
    assert memory.next_at(0.0) == 10.0
    memory.hasten()
    assert memory.candidate(0.0).batch is first


def test_no_batch_is_given_up_while_no_other_is_stored(memory):
    memory.put(batch(1))
    fail(memory, 1_000, rest_until=0.0)
    assert memory.own_batches == 1


def test_the_oldest_call_that_waits_is_known(memory):
    for number in (5, 3, 9):
        memory.put(batch(number))
    numbers = []
    while memory.candidate(0.0):
        numbers.append(memory.first_number)
        memory.settle(memory.candidate(0.0), is_stored=True)
    assert numbers == [3, 3, 9]
    assert memory.first_number is None


def test_memory_has_room_for_some_samples_and_some_bytes(memory):
    memory.put(batch(1, samples=9))
    assert memory.has_room
    memory.put(batch(2, samples=1))
    assert not memory.has_room
    for _ in range(2):
        memory.settle(memory.candidate(0.0), is_stored=True)
    memory.put(batch(3, samples=1, size=MEMORY_BYTES))
    assert not memory.has_room


def test_with_a_spool_only_some_bodies_stay_in_memory(tmp_path, ledger):
    outbox = spooled(tmp_path, ledger)
    batches = [batch(n, size=MEMORY_BYTES // 3) for n in range(1, 6)]
    for each in batches:
        outbox.put(each)
    assert outbox.has_room
    in_memory = 0
    for each in batches:
        waiting = outbox.candidate(0.0)
        in_memory += bool(waiting.batch.body)
        assert outbox.body_of(waiting) == each.body
        outbox.settle(waiting, is_stored=True)
    assert in_memory == 2
    outbox.close("shutdown")
    assert list(tmp_path.iterdir()) == []


def test_a_full_spool_loses_the_oldest_samples_and_no_count(tmp_path, ledger):
    outbox = spooled(tmp_path, ledger, max_bytes=4 * 8_192)
    big = [Batch(str(n), noise(n), 3, 0, (3, 4), n, None) for n in range(1, 7)]
    for each in big:
        outbox.put(each)
    left = []
    while outbox.candidate(0.0):
        waiting = outbox.candidate(0.0)
        body = json.loads(decompressed(outbox.body_of(waiting)))
        assert body["call_counts"] == [3, 4]
        left.append(len(body["samples"]))
        assert waiting.batch.samples == left[-1]
        outbox.settle(waiting, is_stored=True)
    assert len(left) == 6
    assert left == sorted(left)
    assert ledger.read(0).dropped == {"spool_full": 18 - sum(left)}
    assert 0 < sum(left) < 18
    assert ledger.read(0).uncounted == {}


def test_where_counts_alone_fill_the_spool_the_oldest_go(tmp_path, ledger):
    outbox = spooled(tmp_path, ledger, max_bytes=800)
    for number in range(1, 5):
        outbox.put(batch(number))
    assert outbox.own_batches == 2
    assert outbox.first_number == 3
    assert ledger.read(0).dropped == {"spool_full": 12}
    assert ledger.read(0).uncounted == {"spool_full": 14}


def noise(seed):
    """A body that does not compress, of about 7 KB."""
    texts = [{"text": "".join(str(uuid.uuid4()) for _ in range(100))} for _ in range(3)]
    body = {"samples": texts, "call_counts": [3, 4], "seed": seed}
    return gzip.compress(json.dumps(body).encode())


def test_nothing_is_kept_of_batches_that_were_answered(memory):
    for number in range(1, 1_001):
        memory.put(batch(number))
        memory.settle(memory.candidate(0.0), is_stored=True)
    assert memory._calls._numbers == memory._signals._numbers == []
    assert memory._waiting == {}


def test_a_batch_that_this_python_cannot_unpack_goes_whole(tmp_path, ledger, monkeypatch):
    monkeypatch.setattr("watchkeeper.compression._zstd", lambda: None)
    outbox = spooled(tmp_path, ledger, max_bytes=4 * 8_192)
    zstd = [Batch(str(n), b"\x28\xb5\x2f\xfd" * 2_000, 3, 0, (3, 4), n, None) for n in range(1, 7)]
    for each in zstd:
        outbox.put(each)
    lost = 6 - outbox.own_batches
    assert 0 < lost < 6
    assert outbox.first_number == lost + 1
    assert outbox.body_of(outbox.candidate(0.0)) == zstd[lost].body  # and is sent as it is
    assert ledger.read(0).dropped == {"spool_full": 3 * lost}
    assert ledger.read(0).uncounted == {"spool_full": 7 * lost}
