"""Nothing that an app passes makes record() raise, or goes missing from the ledger."""

import dataclasses
import decimal
import enum
import json
import math
import uuid
from datetime import datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


class Hostile:
    """Raises at every turn."""

    def __init__(self, error):
        self.error = error

    def _raise(self, *args):
        raise self.error

    __str__ = __repr__ = __float__ = __int__ = __bool__ = __eq__ = __len__ = __iter__ = _raise
    __hash__ = None


class HostileZone(tzinfo):
    def utcoffset(self, moment):
        raise RuntimeError("no zone")


class Task(str, enum.Enum):
    ANSWER = "answer"


CYCLE: list = []
CYCLE.append(CYCLE)
FIELDS = [
    *("task", "prompt", "response", "model", "prompt_version", "error", "latency_ms"),
    *("input_tokens", "output_tokens", "cost_usd", "reference", "finish_reason", "session_id"),
    *("user_id", "attributes", "called_at", "sample_id", "flag", "trace_id"),
]
# By name: hypothesis prints, hashes and compares what it draws, and these would not let it.
ODDITIES = {
    "hostile": lambda: Hostile(ValueError("x")),
    "too deep": lambda: Hostile(RecursionError()),
    "exits": lambda: Hostile(SystemExit(3)),
    "cycle": lambda: CYCLE,
    "object": object,
    "signalling nan": lambda: decimal.Decimal("sNaN"),
    "no zone": lambda: datetime(2026, 1, 1, tzinfo=HostileZone()),
    "end of time": lambda: datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))),
    "hostile inside": lambda: {"k": Hostile(KeyError("k")), "n": math.nan, 3: None},
    "hostile in a list": lambda: [Hostile(KeyError("k"))],
    "many": lambda: {str(n): n for n in range(100)},
    "class": lambda: Hostile,
}


@dataclasses.dataclass(frozen=True)
class Oddity:
    name: str


def with_oddities(fields):
    return {k: ODDITIES[v.name]() if isinstance(v, Oddity) else v for k, v in fields.items()}


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(st.characters(), max_size=30),  # lone surrogates and NUL included
    st.just("\ud800\x00\udfff"),
    st.just("ü" * 5_000),
    st.binary(max_size=30),
    st.datetimes(),
    st.uuids(),
    st.dictionaries(st.one_of(st.text(), st.integers(), st.tuples()), st.floats(), max_size=3),
    st.lists(st.text(st.characters()), max_size=3),
    st.sampled_from(list(ODDITIES)).map(Oddity),
)


def assert_valid(sample):
    assert uuid.UUID(sample["sample_id"])
    datetime.fromisoformat(sample["called_at"].replace("Z", "+00:00"))
    assert 0 < sample["keep_probability"] <= 1
    for field in ("latency_ms", "input_tokens", "output_tokens", "cost_usd"):
        assert sample[field] is None or 0 <= sample[field] < 1e15
    for field in ("task", "model", "prompt_version", "finish_reason", "session_id", "user_id"):
        assert sample[field] is None or len(sample[field].encode()) <= 200
    assert len(sample["attributes"]) <= 64
    text = json.dumps(sample, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")


@settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), anything), max_size=6))
def test_any_junk_is_repaired_or_dropped_with_a_reason(server, shared_client, balanced, junk):
    server.batches.clear()
    before = balanced(shared_client)
    for fields in junk:
        shared_client.record(**{"task": "t", **with_oddities(fields)})
    assert shared_client.flush().complete
    after = balanced(shared_client)
    assert after.produced - before.produced == len(junk)
    assert after.queued == 0
    assert after.stored - before.stored == len(server.samples)
    assert after.counted - before.counted == server.counted
    assert after.counted + sum(after.uncounted.values()) == after.produced
    assert set(after.dropped) <= {"no_task", "unserialisable"}
    for sample in server.samples:
        assert_valid(sample)


@pytest.fixture
def shared_client(client):
    return client()


@pytest.mark.parametrize("max_queue", [1, 3])
def test_junk_that_overflows_the_queue_is_counted_too(server, client, balanced, max_queue):
    server.plans.append("hang")
    wk = client(flush_at=1, max_queue=max_queue)
    wk.record(task="first")
    server.wait_for(lambda: server.requests)
    for _ in range(20):
        wk.record(task=Hostile(ValueError()), cost_usd=Hostile(ValueError()))
        wk.record(task=Task.ANSWER, called_at=Hostile(ValueError()), input_tokens="x")
    server.released.set()
    assert wk.flush().complete
    stats = balanced(wk)
    assert stats.uncounted == {"no_task": 20}
    assert stats.counted == server.counted == 21
    assert {row["task"] for row in server.counts} == {"first", "answer"}


def test_text_is_repaired_and_said_to_be(server, client, balanced):
    wk = client()
    wk.record(task=Task.ANSWER, prompt="a\x00b\ud800", model="m" * 300, latency_ms=math.inf)
    wk.record(task="t", prompt="\ud83d\ude00", input_tokens=1.5, sample_id="order-17")
    wk.record(task="t", sample_id="order-17", session_id=uuid.UUID(int=7))
    wk.flush()
    first, second, third = server.samples
    assert (first["task"], first["prompt"]) == ("answer", "a\ufffdb\ufffd")
    assert first["model"] == "m" * 200
    assert first["latency_ms"] is None
    assert second["prompt"] == "\U0001f600"
    assert second["sample_id"] == third["sample_id"]
    assert third["session_id"] == str(uuid.UUID(int=7))
    repaired = balanced(wk).repaired
    assert repaired == {"prompt": 2, "model": 1, "latency_ms": 1, "input_tokens": 1, "sample_id": 2}


def test_an_exit_in_str_ends_neither_the_app_nor_the_sender(server, client, balanced):
    wk = client()
    wk.record(task="t", prompt=Hostile(SystemExit(1)))
    wk.record(task="t", prompt="fine")
    assert wk.flush().complete
    assert balanced(wk).dropped == {"unserialisable": 1}
    assert balanced(wk).counted == 2
