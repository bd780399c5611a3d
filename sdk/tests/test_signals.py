import json
import math
import uuid
from datetime import datetime, timedelta, timezone

from watchkeeper import masks

NOON = datetime(2026, 1, 5, 12, 0, 59, 999_999, tzinfo=timezone.utc)
SAMPLE = "5d1b2b8e-7a0a-4d0e-9a43-3a3a3f1b5f10"


def signals(server):
    return [s for batch in server.batches.values() for s in batch.get("signals", [])]


def test_a_signal_arrives_with_exactly_the_documented_fields(server, client):
    wk = client(environment="staging")
    wk.signal(SAMPLE, "thumbs", -1, task="answer", session_id="s1", user_id="u1", signalled_at=NOON)
    assert wk.flush().complete
    [signal] = signals(server)
    assert signal == {
        "signal_id": str(uuid.UUID(signal["signal_id"])),
        "sample_id": SAMPLE,
        "kind": "thumbs",
        "value": -1,
        "signalled_at": "2026-01-05T12:00:59.999999Z",
        "environment": "staging",
        "task": "answer",
        "session_id": "s1",
        "user_id": "u1",
    }
    assert server.samples == []


def test_what_is_left_out_takes_its_default(server, client):
    wk = client()
    before = datetime.now(timezone.utc)
    wk.signal(SAMPLE, "regenerated")
    wk.flush()
    [signal] = signals(server)
    at = datetime.fromisoformat(signal["signalled_at"].replace("Z", "+00:00"))
    assert before - timedelta(milliseconds=1) <= at <= datetime.now(timezone.utc)
    assert (signal["value"], signal["task"], signal["session_id"]) == (None, "", None)


def test_an_id_of_the_apps_own_leads_to_the_same_sample(server, client):
    wk = client()
    wk.record(task="t", sample_id="message 17")
    wk.signal("message 17", "correction", "It is so.")
    wk.flush()
    [sample], [signal] = server.samples, signals(server)
    assert signal["sample_id"] == sample["sample_id"]
    assert signal["value"] == "It is so."


def test_each_signal_is_in_one_account_only(server, client):
    wk = client()
    wk.signal(SAMPLE, "thumbs", 1)
    wk.signal("", "thumbs", 1)
    wk.signal(None, "thumbs", 1)
    wk.signal(SAMPLE, "")
    assert wk.stats().signals.queued == 4
    wk.flush()
    account = wk.stats().signals
    assert (account.produced, account.stored, account.queued) == (4, 1, 0)
    assert account.dropped == {"no_sample_id": 2, "no_kind": 1}
    wk.shutdown()
    wk.signal(SAMPLE, "thumbs")
    assert wk.stats().signals.dropped["shutdown"] == 1


class Stubborn:
    def __str__(self):
        raise SystemExit


def test_junk_is_repaired_or_dropped_and_never_raises(server, client):
    wk = client()
    wk.signal(SAMPLE, "score", math.nan)
    wk.signal(SAMPLE, "score", 2**80)
    wk.signal(SAMPLE, "note\x00", "a\ud800", signalled_at="yesterday")
    wk.signal(SAMPLE, "naive", signalled_at=datetime(2026, 1, 5))  # noqa: DTZ001
    wk.signal(SAMPLE, "x" * 300, True, user_id=7)
    wk.signal(Stubborn(), "thumbs")
    wk.signal(SAMPLE, "text", "y" * 10_000)
    assert wk.flush().complete
    sent = signals(server)
    assert [s["value"] for s in sent[:3]] == [None, str(2**80), "a\ufffd"]
    assert sent[3]["signalled_at"] == "2026-01-05T00:00:00.000000Z"
    assert (len(sent[4]["kind"]), sent[4]["value"], sent[4]["user_id"]) == (200, True, "7")
    assert len(sent[5]["value"]) == 4_096
    account = wk.stats().signals
    assert (account.stored, account.dropped) == (6, {"unserialisable": 1})
    assert wk.stats().repaired["value"] == 2


def test_a_full_queue_drops_the_oldest(server, client):
    server.plans.append("hang")
    wk = client(flush_at=1)
    wk._pipeline.signals._limit = 3
    wk.record(task="t")
    server.wait_for(lambda: server.requests)
    for number in range(5):
        wk.signal(SAMPLE, "thumbs", number)
    server.released.set()
    wk.flush()
    account = wk.stats().signals
    assert account.produced == account.stored + account.dropped.get("queue_full", 0) == 5
    assert [s["value"] for s in signals(server)][-1] == 4


def test_a_corrected_text_is_masked_as_any_other(server, client):
    wk = client(mask=masks.COMMON)
    wk.signal(SAMPLE, "correction", "Write to joe@example.com")
    wk.signal(SAMPLE, "score", 4111111111111111)
    wk.signal(SAMPLE, "thumbs", 1)
    assert wk.flush().complete
    assert [s["value"] for s in signals(server)] == ["Write to [email]", "[card]", 1]


def test_a_mask_that_fails_drops_the_text_and_keeps_the_signal(server, client):
    wk = client(mask=lambda text: 1 / 0)
    wk.signal(SAMPLE, "correction", "secret")
    wk.flush()
    [signal] = signals(server)
    assert signal["value"] is None
    assert wk.stats().repaired == {"mask:value": 1}


def test_where_answers_must_not_leave_neither_do_corrected_ones(server, client):
    wk = client(capture_output=False)
    wk.signal(SAMPLE, "correction", "It is so.")
    wk.signal(SAMPLE, "thumbs", -1)
    wk.flush()
    assert [s["value"] for s in signals(server)] == [None, -1]


def test_many_long_signals_make_several_batches(server, client):
    wk = client()
    for number in range(600):
        wk.signal(SAMPLE, "correction", f"{number:04}" + "\N{SNOWMAN}" * 4_000)
    assert wk.flush().complete
    assert [s["value"][:4] for s in signals(server)] == [f"{n:04}" for n in range(600)]
    sizes = [len(json.dumps(body, ensure_ascii=False).encode()) for _, _, body in server.requests]
    assert len(sizes) > 5
    assert max(sizes) < 1_200_000
