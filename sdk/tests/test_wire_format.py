"""What arrives at the server is what the server's documentation asks for."""

import uuid
from datetime import datetime, timedelta, timezone

NOON = datetime(2026, 1, 5, 12, 0, 59, 999_999, tzinfo=timezone.utc)


def test_a_call_arrives_with_exactly_the_documented_fields(server, client):
    wk = client(environment="staging", release="r7")
    wk.record(
        task="answer",
        prompt="Why?",
        response="Because.",
        model="gpt-4",
        prompt_version="v2",
        latency_ms=12.5,
        input_tokens=3,
        output_tokens=4,
        cost_usd=0.002,
        reference="Because.",
        finish_reason="stop",
        session_id="s1",
        user_id="u1",
        attributes={"lang": "en", "turn": 2, "beta": True},
        called_at=NOON,
        sample_id="5d1b2b8e-7a0a-4d0e-9a43-3a3a3f1b5f10",
    )
    assert wk.flush().complete
    path, headers, body = server.requests[0]
    assert path == "/v1/samples"
    assert headers["Authorization"] == "Bearer wk_secret"
    assert headers["Content-Encoding"] in ("gzip", "zstd")
    assert headers["Content-Type"] == "application/json"
    assert uuid.UUID(body.pop("instance")["instance_id"])  # the rest: see test_batches.py
    assert body == {
        "batch_id": str(uuid.UUID(body["batch_id"])),
        "app": "support",
        "samples": [
            {
                "sample_id": "5d1b2b8e-7a0a-4d0e-9a43-3a3a3f1b5f10",
                "called_at": "2026-01-05T12:00:59.999999Z",
                "environment": "staging",
                "release": "r7",
                "task": "answer",
                "model": "gpt-4",
                "prompt_version": "v2",
                "outcome": "ok",
                "error_type": None,
                "prompt": "Why?",
                "response": "Because.",
                "reference": "Because.",
                "latency_ms": 12.5,
                "input_tokens": 3,
                "output_tokens": 4,
                "cost_usd": 0.002,
                "finish_reason": "stop",
                "session_id": "s1",
                "user_id": "u1",
                "keep_probability": 1.0,
                "attributes": {"lang": "en", "turn": 2, "beta": True},
            }
        ],
        "call_counts": [
            {
                "minute": "2026-01-05T12:00:00Z",
                "environment": "staging",
                "release": "r7",
                "task": "answer",
                "model": "gpt-4",
                "prompt_version": "v2",
                "outcome": "ok",
                "calls": 1,
                "input_tokens": 3,
                "output_tokens": 4,
                "cost_usd": 0.002,
                "latency_counts": {"15": 1},
            }
        ],
    }


def test_what_is_left_out_takes_its_default(server, client):
    wk = client()
    before = datetime.now(timezone.utc)
    wk.record(task="answer")
    wk.flush()
    [sample] = server.samples
    assert uuid.UUID(sample["sample_id"])
    arrived = datetime.fromisoformat(sample["called_at"].replace("Z", "+00:00"))
    # The wire has microseconds, cut off
    assert before - timedelta(microseconds=2) <= arrived <= datetime.now(timezone.utc)
    assert sample["environment"] == "production"
    empty = {k for k, v in sample.items() if v is None}
    assert empty == {
        *("error_type", "prompt", "response", "reference", "latency_ms", "input_tokens"),
        *("output_tokens", "cost_usd", "finish_reason", "session_id", "user_id"),
    }
    assert sample["release"] == sample["model"] == sample["prompt_version"] == ""
    assert sample["attributes"] == {}


def test_counts_add_up_per_minute_and_dimension(server, client):
    wk = client()
    for second in (0, 30, 59):
        at = NOON.replace(second=second)
        wk.record(task="answer", called_at=at, input_tokens=2, cost_usd=0.5)
    wk.record(task="answer", called_at=NOON + timedelta(minutes=1))
    wk.record(task="answer", called_at=NOON, error=True)
    wk.record(task="summarise", called_at=NOON, model="m")
    wk.flush()
    rows = {
        (row["minute"][11:16], row["task"], row["model"], row["outcome"]): (
            row["calls"],
            row["input_tokens"],
            row["cost_usd"],
        )
        for row in server.counts
    }
    assert rows == {
        ("12:00", "answer", "", "ok"): (3, 6, 1.5),
        ("12:01", "answer", "", "ok"): (1, 0, 0.0),
        ("12:00", "answer", "", "error"): (1, 0, 0.0),
        ("12:00", "summarise", "m", "ok"): (1, 0, 0.0),
    }


def test_an_exception_is_recorded_by_its_type_alone(server, client):
    wk = client()
    wk.record(task="answer", error=ValueError("the secret prompt"))
    wk.record(task="answer", error="RateLimit")
    wk.record(task="answer", error=False)
    wk.flush()
    kinds = [(sample["outcome"], sample["error_type"]) for sample in server.samples]
    assert kinds == [("error", "ValueError"), ("error", "RateLimit"), ("ok", None)]
    assert "secret prompt" not in str(server.requests)


def test_a_list_of_messages_is_sent_as_it_was_when_recorded(server, client):
    wk = client()
    messages = [{"role": "user", "content": "Grüße"}]
    wk.record(task="chat", prompt=messages)
    messages.append({"role": "assistant", "content": "later"})
    wk.flush()
    assert server.samples[0]["prompt"] == '[{"role": "user", "content": "Grüße"}]'


def test_a_long_text_is_sent_whole_up_to_the_limit_and_marked_beyond(server, client):
    wk = client()
    wk.record(task="answer", prompt="x" * 262_144, response="y" * 300_000)
    wk.flush()
    [sample] = server.samples
    assert sample["prompt"] == "x" * 262_144
    assert len(sample["response"]) == 262_144
    assert sample["response"].endswith("y... [cut by watchkeeper: 300000 characters]")
    assert sample["attributes"] == {"watchkeeper.truncated": "response"}


def test_batches_stay_below_the_limits_of_the_server(server, client):
    wk = client(max_queue=20_000)
    for _ in range(30):
        wk.record(task="long", prompt="\x01" * 262_144)  # six bytes each in JSON
    for _ in range(6_000):
        wk.record(task="short")
    assert wk.flush(30).complete
    assert len(server.samples) == server.counted == 6_030
    assert all(len(batch["samples"]) <= 5_000 for batch in server.batches.values())
    for batch in server.batches.values():
        assert sum(len(s["prompt"] or "") * 6 + 600 for s in batch["samples"]) < 20_000_000
