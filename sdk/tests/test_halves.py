"""What a server, or a proxy before it, takes in pieces only."""

import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.batches import Batch
from watchkeeper.compression import compressed, decompressed
from watchkeeper.halves import halves_of
from watchkeeper.ledger import Ledger
from watchkeeper.outbox import Outbox
from watchkeeper.spool import Spool
from watchkeeper.troubles import Troubles


@pytest.fixture(params=["memory", "spool"])
def make(request, client, tmp_path):
    place = {} if request.param == "memory" else {"spool": tmp_path / "spool"}
    return lambda **options: client(**{**place, **options})


def record_some(wk, calls, length=100):
    for number in range(calls):
        wk.record(
            task=f"t{number % 3}", prompt=str(number), response="x" * length, input_tokens=number
        )


def test_a_refused_batch_is_halved_until_it_fits(server, make, balanced):
    server.largest_body = 4_000
    wk = make()
    record_some(wk, 50)
    for number in range(7):
        wk.signal(str(uuid.uuid4()), "correction", str(number))
    result = wk.flush()
    assert result.complete
    assert (result.stored, result.dropped, result.queued) == (50, {}, 0)
    assert len(server.batches) > 8
    assert [int(s["prompt"]) for s in server.samples] == list(range(50))
    assert server.counted == 50
    assert sum(row["input_tokens"] for row in server.counts) == sum(range(50))
    values = [s["value"] for b in server.batches.values() for s in b.get("signals", [])]
    assert values == [str(number) for number in range(7)]
    stats = balanced(wk)
    assert (stats.stored, stats.counted, stats.uncounted) == (50, 50, {})
    assert (stats.signals.stored, stats.signals.queued) == (7, 0)


def test_of_a_batch_only_the_sample_that_is_too_large_alone_is_lost(server, make, balanced):
    server.largest_body = 4_000
    wk = make()
    record_some(wk, 6)
    wk.record(task="large", prompt="y" * 10_000)
    record_some(wk, 6)
    assert wk.flush().complete
    stats = balanced(wk)
    assert stats.dropped == {"too_large": 1}
    assert (stats.stored, stats.counted, stats.uncounted) == (12, 13, {})
    assert server.counted == 13
    assert "large" in {row["task"] for row in server.counts}
    assert "large" not in {sample["task"] for sample in server.samples}


def test_no_id_is_stored_twice_and_no_refused_one_is_sent_again(server, make):
    server.largest_body = 4_000
    wk = make()
    record_some(wk, 50)
    assert wk.flush().complete
    ids = [body["batch_id"] for _, _, body in server.requests]
    assert len(ids) == len(set(ids))


def test_a_half_whose_answer_is_lost_is_counted_once(server, make, balanced):
    server.plans.extend([413, "close", 500, 202, "close"])
    wk = make()
    record_some(wk, 20)
    assert wk.flush().complete
    assert len(server.samples) == server.counted == 20
    assert len(server.batches) == 2
    assert balanced(wk).stored == balanced(wk).counted == 20


def test_a_server_that_takes_nothing_of_any_size_ends_in_the_ledger(server, make, balanced):
    server.always = 413
    wk = make()
    record_some(wk, 9)
    wk.signal(str(uuid.uuid4()), "thumbs", 1)
    assert wk.flush().complete
    stats = balanced(wk)
    assert (stats.dropped, stats.uncounted) == ({"too_large": 9}, {"too_large": 9})
    assert stats.signals.dropped == {"too_large": 1}
    assert len(server.requests) == 2 * (9 + 3 + 1) - 1


def test_the_log_says_it_once(server, make, caplog):
    server.largest_body = 4_000
    wk = make()
    record_some(wk, 50)
    wk.flush()
    [line] = [r.getMessage() for r in caplog.records if "HTTP 413" in r.getMessage()]
    assert "its 50 samples and the counts of 50 calls are sent as two" in line


def test_halves_that_no_answer_came_for_outlive_the_process(server, client, tmp_path, balanced):
    server.plans.append(413)
    server.plans.extend([503] * 10_000)
    old = client(spool=tmp_path)
    record_some(old, 10)
    assert not old.shutdown(0.3).complete
    assert balanced(old).queued == 10
    server.plans.clear()
    wk = client(spool=tmp_path)
    wk.record(task="new")
    assert wk.flush().complete
    server.wait_for(lambda: len(server.samples) == 11)
    assert wk.shutdown().complete
    stats = balanced(wk)
    assert (stats.adopted.found, stats.adopted.stored, stats.adopted.counted) == (10, 10, 10)
    assert server.counted == 11
    assert list(tmp_path.iterdir()) == []


def test_an_adopted_batch_is_halved_in_the_account_of_the_adopted(
    server, client, tmp_path, balanced
):
    server.always = 503
    old = client(spool=tmp_path)
    record_some(old, 50)
    old.record(task="large", prompt="y" * 10_000)
    old.shutdown(0.3)
    server.always, server.largest_body = None, 4_000
    wk = client(spool=tmp_path)
    wk.record(task="new")
    assert wk.flush().complete
    server.wait_for(lambda: server.counted == 52 and len(server.samples) == 51)
    assert wk.shutdown().complete
    stats = balanced(wk)
    assert (stats.stored, stats.counted, stats.dropped) == (1, 1, {})
    adopted = stats.adopted
    assert (adopted.found, adopted.stored, adopted.dropped) == (51, 50, {"too_large": 1})
    assert (adopted.counted, adopted.uncounted, adopted.queued) == (51, {}, 0)
    assert list(tmp_path.iterdir()) == []


def test_halves_that_the_disk_does_not_take_wait_in_memory(tmp_path):
    ledger, spool = Ledger(), Spool(str(tmp_path), "id", Troubles())
    outbox = Outbox(ledger, Ledger(), 100, spool, 10**9)
    whole = batch_of(4, 2, 0)
    outbox.put(whole)
    spool.before_fork()  # disconnects
    [path] = tmp_path.glob("*.db")
    path.write_bytes(b"no database" * 1_000)
    spool.after_fork()
    assert outbox.halve(outbox.candidate(0.0), whole.body)
    assert outbox.own_batches == 2
    held = []
    while outbox.candidate(0.0):
        assert outbox.first_number == 3
        waiting = outbox.candidate(0.0)
        held.append(json.loads(decompressed(outbox.body_of(waiting)))["samples"])
        outbox.settle(waiting, is_stored=True)
    assert held == [[{"n": 0}, {"n": 1}, {"n": 2}], [{"n": 3}]]
    assert (outbox._memory_bytes, outbox._unsaved_bytes, outbox._spooled_bytes) == (0, 0, 0)
    assert (outbox.first_number, outbox.own_batches) == (None, 0)


def batch_of(samples, rows, signals):
    content = {
        "batch_id": "whole",
        "app": "a",
        "samples": [{"n": n} for n in range(samples)],
        "call_counts": [{"row": n} for n in range(rows)],
        "signals": [{"signal": n} for n in range(signals)],
    }
    calls = tuple(range(1, rows + 1))
    return Batch("whole", compressed(json.dumps(content).encode()), samples, signals, calls, 3, 4)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_halves_hold_everything_once_and_know_what_they_hold(samples, rows, signals):
    whole = batch_of(samples, rows, signals)
    halves = halves_of(whole)
    assert len(halves) == (2 if samples + rows + signals > 1 else 0)
    if not halves:
        return
    contents = [json.loads(decompressed(half.body)) for half in halves]
    original = json.loads(decompressed(whole.body))
    for kind in ("samples", "call_counts", "signals"):
        assert contents[0][kind] + contents[1][kind] == original[kind]
    sizes = []
    for half, content in zip(halves, contents):
        assert content["batch_id"] == half.batch_id
        assert content["app"] == "a"
        assert half.samples == len(content["samples"])
        assert half.signals == len(content["signals"])
        assert half.row_calls == tuple(row["row"] + 1 for row in content["call_counts"])
        assert (half.first_number, half.first_signal) == (3, 4)
        sizes.append(half.samples + half.signals + len(half.row_calls))
    assert 0 <= sizes[1] - sizes[0] <= 1
    assert len({"whole", halves[0].batch_id, halves[1].batch_id}) == 3
    assert halves_of(whole) == halves
