import threading
from time import monotonic

import pytest

from watchkeeper import Backoff
from watchkeeper.flush_request import FlushRequest


def batch_ids(server):
    return [body["batch_id"] for _, _, body in server.requests]


@pytest.mark.parametrize("failure", [429, 500, 503, (503, {"Retry-After": "0"}), "close"])
def test_the_same_batch_is_tried_again_until_it_is_stored(server, client, balanced, failure):
    server.plans.extend([failure] * 3)
    wk = client()
    wk.record(task="t")
    assert wk.flush().complete
    assert len(server.requests) == 4
    assert len(set(batch_ids(server))) == 1
    assert server.requests[0][2] == server.requests[3][2]
    assert balanced(wk).stored == balanced(wk).counted == 1


def test_a_retry_after_a_lost_answer_is_counted_once(server, client, balanced):
    server.plans.append("close")
    wk = client()
    for _ in range(5):
        wk.record(task="t")
    wk.flush()
    assert len(server.requests) == 2
    assert len(server.samples) == server.counted == 5
    assert balanced(wk).stored == balanced(wk).counted == 5


def test_retry_after_is_honoured(server, client):
    server.plans.append((429, {"Retry-After": "1"}))
    wk = client()
    wk.record(task="t")
    started = monotonic()
    assert wk.flush().complete
    assert monotonic() - started >= 1.0


def test_a_flush_does_not_wait_out_the_jitter(server, client):
    server.plans.append(500)
    wk = client(backoff=Backoff(first_s=3600, ceiling_s=3600), flush_at=1)
    wk.record(task="t")
    server.wait_for(lambda: len(server.requests) == 1)
    assert wk.flush().complete


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 301, 200])
def test_what_people_can_mend_loses_nothing_and_is_said_once(
    server, client, balanced, caplog, status
):
    server.always = (status, {"Location": "/elsewhere"})
    wk = client(flush_at=1)
    for number in range(5):
        wk.record(task=str(number))
    assert not wk.flush(0.05).complete
    assert balanced(wk).queued == 5
    server.always = None
    assert wk.flush().complete
    assert balanced(wk).stored == balanced(wk).counted == server.counted == 5
    [line] = [r.getMessage() for r in caplog.records if "check url, api_key" in r.getMessage()]
    assert f"HTTP {status}" in line
    assert "wk_secret" not in caplog.text


def test_what_people_can_mend_is_not_tried_every_second(server, client):
    server.plans.append(401)
    wk = client(flush_at=1, backoff=Backoff(first_s=0.001, ceiling_s=3600))
    wk.record(task="t")
    server.wait_for(lambda: len(server.requests) == 1)
    pace = wk._pipeline._sender._pace
    while not pace.attempt_at:
        wk.stats()
    assert pace.attempt_at > monotonic() + 1_000
    assert wk.flush().complete  # but for whoever waits for it


@pytest.mark.parametrize("status", [400, 415, 422])
def test_a_refused_batch_is_lost_with_its_reason_and_never_sent_again(
    server, client, balanced, status
):
    server.plans.append((status, {"Location": "/elsewhere"}))
    wk = client()
    wk.record(task="t")
    wk.record(task="")
    result = wk.flush()
    assert result.complete
    assert result.dropped == {f"http_{status}": 1, "no_task": 1}
    assert len(server.requests) == 1
    wk.record(task="t")
    wk.flush()
    stats = balanced(wk)
    assert stats.stored == stats.counted == 1
    assert stats.uncounted == {f"http_{status}": 1, "no_task": 1}


def test_what_the_server_rejects_is_dropped_with_its_reason(server, client, balanced):
    server.refuse_samples_of_task = "bad"
    wk = client()
    for task in ("good", "bad", "bad"):
        wk.record(task=task)
    wk.flush()
    stats = balanced(wk)
    assert stats.stored == 1
    assert stats.dropped == {"rejected": 2}
    assert stats.rejected == {"unknown": 2}
    assert stats.counted == 3


@pytest.mark.parametrize("max_queue", [1, 7, 400])
def test_a_full_queue_drops_the_oldest_texts_and_no_count(server, client, balanced, max_queue):
    server.plans.append("hang")
    wk = client(flush_at=1, max_queue=max_queue)
    wk.record(task="first")
    server.wait_for(lambda: server.requests)
    surplus = 50
    calls = 2 * max_queue + surplus  # as many wait before and after being written out
    for number in range(calls):
        wk.record(task="t", prompt=str(number), input_tokens=1)
        balanced(wk)
    stats = balanced(wk)
    assert surplus <= stats.dropped["queue_full"] <= calls - max_queue + max_queue // 100
    server.released.set()
    assert wk.flush().complete
    stats = balanced(wk)
    newest = [sample["prompt"] for sample in server.samples if sample["task"] == "t"]
    assert newest == sorted(newest, key=int)
    assert len(newest) >= max_queue
    assert newest[-1] == str(calls - 1)
    assert stats.counted == server.counted == stats.produced == calls + 1
    assert sum(row["input_tokens"] for row in server.counts) == calls


def test_an_outage_is_survived_with_every_call_counted(server, client, balanced):
    server.plans.extend([500] * 30)
    wk = client(flush_at=1, max_queue=20)
    for number in range(500):
        wk.record(task="t", prompt=str(number))
        if number % 50 == 0:
            wk.flush(0.005)
    assert wk.flush().complete
    stats = balanced(wk)
    assert stats.counted == server.counted == 500
    assert stats.stored == len(server.samples) == 500 - stats.dropped.get("queue_full", 0)


def test_shutdown_keeps_its_time_limit_while_the_server_hangs(server, client, balanced):
    server.plans.append("hang")
    wk = client(flush_at=1)
    wk.record(task="t")
    server.wait_for(lambda: server.requests)
    wk.record(task="t")
    started = monotonic()
    assert not wk.shutdown(0.2).complete
    assert monotonic() - started < 5
    assert balanced(wk).dropped == {"shutdown": 2}  # the first one was sent, to no answer
    server.released.set()


def test_after_a_shutdown_that_gave_up_everything_is_accounted_for(server, client, balanced):
    server.plans.extend([500] * 10_000)
    wk = client()
    for _ in range(7):
        wk.record(task="t")
    result = wk.shutdown(0.05)
    assert not result.complete
    wk.flush()  # the thread may have been in the middle of a request
    stats = balanced(wk)
    assert stats.queued == 0
    assert stats.dropped == stats.uncounted == {"shutdown": 7}


def test_threads_hammering_lose_nothing(server, client, balanced):
    wk = client(max_queue=500, sample_rate=0.5)
    calls_each = 5_000

    def hammer(name):
        for number in range(calls_each):
            wk.record(task=name, session_id=str(number), output_tokens=1)

    threads = [threading.Thread(target=hammer, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        balanced(wk)
        threads[0].join(0.001)
    assert wk.flush(30).complete
    stats = balanced(wk)
    assert stats.produced == stats.counted == server.counted == 3 * calls_each
    for name in ("a", "b", "c"):
        rows = [row for row in server.counts if row["task"] == name]
        assert sum(row["calls"] for row in rows) == calls_each
        assert sum(row["output_tokens"] for row in rows) == calls_each
    assert stats.stored == len(server.samples)
    assert stats.queued == 0


def test_no_fault_in_the_sender_ends_it(server, client, monkeypatch):
    wk = client()
    monkeypatch.setattr("watchkeeper.sender._PAUSE_AFTER_FAULT_S", 0.01)
    collector = wk._pipeline.collector
    collect, faults = collector.collect, [SystemExit(), MemoryError()]

    def failing():
        if faults:
            raise faults.pop()
        collect()

    monkeypatch.setattr(collector, "collect", failing)
    wk.record(task="t")
    assert wk.flush().complete
    assert len(server.samples) == 1


def test_a_batch_that_fails_again_and_again_lets_the_others_pass(server, client, balanced):
    server.fail_batches_of_task = "poison"
    wk = client(flush_at=1)
    wk.record(task="poison")
    server.wait_for(lambda: server.requests)
    for _ in range(20):
        wk.record(task="t")
    server.wait_for(lambda: len(server.samples) == 20)
    assert balanced(wk).queued >= 1
    server.fail_batches_of_task = None
    assert wk.flush().complete
    assert balanced(wk).stored == 21
    assert len(set(batch_ids(server))) == len(server.batches)


def test_a_batch_at_which_only_it_fails_is_given_up_in_the_end(
    server, client, balanced, monkeypatch
):
    monkeypatch.setattr("watchkeeper.outbox.GIVE_UP_AFTER", 5)
    server.fail_batches_of_task = "poison"
    wk = client(flush_at=1)
    wk.record(task="poison")
    server.wait_for(lambda: server.requests)
    others = 0
    while not wk.stats().dropped:
        wk.record(task="t")
        others += 1
        server.wait_for(lambda: len(server.samples) == others)  # noqa: B023
    assert wk.flush().complete
    stats = balanced(wk)
    assert stats.dropped == stats.uncounted == {"http_500": 1}
    assert stats.stored == others >= 4


@pytest.mark.parametrize("away", [429, 503])
def test_a_server_that_is_away_is_tried_with_one_batch_only(server, client, away):
    server.plans.extend([away] * 12)
    wk = client(flush_at=1)
    for number in range(5):
        wk.record(task=str(number))
    server.wait_for(lambda: len(server.requests) == 12)
    assert len(set(batch_ids(server))) == 1
    assert wk.flush().complete


def test_calls_are_collected_while_the_server_hangs(server, client, balanced):
    server.plans.append("hang")
    wk = client(flush_at=5)
    for _ in range(5):
        wk.record(task="t")
    server.wait_for(lambda: server.requests)
    for _ in range(5):
        wk.record(task="t")
    collector = wk._pipeline.collector
    while len(collector.backlog) < 5:
        assert len(server.requests) == 1
    server.released.set()
    assert wk.flush().complete
    assert balanced(wk).stored == 10


def test_a_flush_beside_a_shutdown_claims_nothing_that_it_does_not_know():
    request = FlushRequest(target=1)
    request.finish(complete=False)
    request.finish(complete=True)
    assert not request.complete
