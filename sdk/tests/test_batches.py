"""The instance that sends, and its ledger, in every batch."""

import uuid

from watchkeeper.signals import signal_now


def ledgers(server):
    return [body["instance"]["ledger"] for _, _, body in server.requests]


def test_a_batch_tells_who_sends_it_and_the_ledger_before_it_is_answered(server, client):
    wk = client(sample_rate=0.0, environment="staging", release="r7")
    wk.record(task="t")
    wk.record(task="t", error=True)
    wk.record(task="")
    wk.flush()
    wk.record(task="t", error=True)
    wk.flush()
    first, second = (body["instance"] for _, _, body in server.requests)
    assert uuid.UUID(first["instance_id"])
    assert first["instance_id"] == second["instance_id"]
    assert first["started_at"] == second["started_at"]
    assert first["started_at"].endswith("+00:00")
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert first["sdk"].startswith("python/")
    assert (first["environment"], first["release"]) == ("staging", "r7")
    assert first["ledger"] == {
        "produced": 3,
        "stored": 0,
        "sampled_out": 1,
        "queued": 1,  # the batch's own sample
        "dropped": {"no_task": 1},
        "counted": 0,
        "uncounted": {"no_task": 1},
    }
    assert second["ledger"]["stored"] == second["ledger"]["queued"] == 1
    assert second["ledger"]["counted"] == 2


def test_a_shutdown_tells_what_became_of_the_last_batch(server, client):
    wk = client()
    wk.record(task="t")
    assert wk.shutdown().complete
    assert [len(body["samples"]) for _, _, body in server.requests] == [1, 0]
    last = ledgers(server)[-1]
    assert (last["produced"], last["stored"], last["queued"], last["counted"]) == (1, 1, 0, 1)


def test_a_ledger_of_nothing_but_drops_is_sent_too(server, client):
    wk = client()
    wk.record(task="")
    assert wk.shutdown().complete
    [[last]] = [ledgers(server)]
    assert (last["produced"], last["dropped"]) == (1, {"no_task": 1})
    assert server.requests[0][2]["samples"] == server.requests[0][2]["call_counts"] == []


def test_an_idle_app_tells_its_ledger_once(server, client, monkeypatch):
    monkeypatch.setattr("watchkeeper.sender._LEDGER_INTERVAL_S", 0.02)
    wk = client(flush_interval=0.005)
    wk.record(task="t")
    wk.flush()
    server.wait_for(lambda: len(server.requests) == 2)
    assert ledgers(server)[-1]["stored"] == 1
    wk.shutdown()
    assert len(server.requests) == 2  # nothing has changed since


def test_signals_travel_with_the_batches_and_are_booked(server, client):
    wk = client()
    sample_id = str(uuid.uuid4())
    pipeline = wk._pipeline
    pipeline.add_signal(signal_now(sample_id, "thumbs", 1, "t", None, None, None))
    assert wk.flush().complete
    [(_, _, body)] = server.requests
    assert body["samples"] == body["call_counts"] == []
    assert [row["sample_id"] for row in body["signals"]] == [sample_id]
    signals = wk.stats().signals
    assert (signals.produced, signals.stored, signals.queued) == (1, 1, 0)


def test_signals_of_a_refused_batch_are_dropped_with_its_reason(server, client):
    server.plans.append(422)
    wk = client()
    wk._pipeline.add_signal(signal_now("s", "thumbs", 1, "t", None, None, None))
    assert wk.flush().complete
    assert wk.stats().signals.dropped == {"http_422": 1}


def test_the_server_sets_the_sample_rates(server, client, balanced):
    server.sample_rates = {"default": 0.0, "tasks": {"kept": 1.0, "junk": "all"}}
    wk = client()
    wk.record(task="other")
    wk.flush()
    for task in ("other", "kept", "junk"):
        wk.record(task=task)
    wk.flush()
    assert [sample["task"] for sample in server.samples] == ["other", "kept"]
    assert balanced(wk).sampled_out == 2
