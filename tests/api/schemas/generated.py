"""Batches as any app might post them: valid ones, and ways to break an item."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from service.domain.latency import BUCKET_OF_NAME

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=60)
WORD = TEXT.filter(lambda text: len(text.encode()) <= 200)
NAME = WORD.filter(bool)
AMOUNT = st.floats(0, 1e15) | st.integers(0, 10**15)
TOKENS = st.integers(0, 10**12)
TOTAL = st.integers(0, 2**63 - 1)
VALUE = st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.integers() | TEXT
IDS = st.uuids().map(str)
TIMES = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
MINUTES = TIMES.map(lambda time: time[:16] + ":00Z")
OUTCOME = st.sampled_from(["ok", "error"])
LATENCIES = st.dictionaries(st.sampled_from(sorted(BUCKET_OF_NAME)), st.integers(1, 9), max_size=4)

SAMPLES = st.fixed_dictionaries(
    {
        "sample_id": IDS,
        "called_at": TIMES,
        "task": NAME,
        "keep_probability": st.floats(2e-6, 1),
    },
    optional={
        "environment": NAME,
        "outcome": OUTCOME,
        "attributes": st.dictionaries(NAME, VALUE, max_size=3),
        **dict.fromkeys(("release", "model", "prompt_version"), WORD),
        **dict.fromkeys(("error_type", "finish_reason", "session_id", "user_id"), st.none() | WORD),
        **dict.fromkeys(("prompt", "response", "reference"), st.none() | TEXT),
        **dict.fromkeys(("latency_ms", "cost_usd"), st.none() | AMOUNT),
        **dict.fromkeys(("input_tokens", "output_tokens"), st.none() | TOKENS),
    },
)
COUNTS = st.fixed_dictionaries(
    {"minute": MINUTES, "task": NAME, "calls": st.integers(36, 10**9)},
    optional={
        "environment": NAME,
        "outcome": OUTCOME,
        "cost_usd": AMOUNT,
        "latency_counts": LATENCIES,
        **dict.fromkeys(("release", "model", "prompt_version"), WORD),
        **dict.fromkeys(("input_tokens", "output_tokens"), TOKENS),
    },
)
SIGNALS = st.fixed_dictionaries(
    {"signal_id": IDS, "sample_id": IDS, "signalled_at": TIMES, "kind": NAME.map("x".__add__)},
    optional={
        "environment": NAME,
        "task": WORD,
        "value": st.none() | VALUE.filter(lambda value: not _is_large(value)),
        **dict.fromkeys(("session_id", "user_id"), st.none() | WORD),
    },
)
REASONS = st.dictionaries(NAME, TOTAL, max_size=2)
LEDGERS = st.fixed_dictionaries(
    dict.fromkeys(("produced", "stored", "sampled_out", "queued", "counted"), TOTAL),
    optional={"dropped": REASONS, "uncounted": REASONS},
)
INSTANCES = st.fixed_dictionaries(
    {"instance_id": IDS, "started_at": TIMES, "sequence": st.integers(1, 99), "ledger": LEDGERS},
    optional=dict.fromkeys(("environment", "release", "sdk"), WORD),
)
BATCHES = st.fixed_dictionaries(
    {
        "batch_id": IDS,
        "samples": st.lists(SAMPLES, max_size=3),
        "call_counts": st.lists(COUNTS, max_size=2),
    },
    optional={
        "app": st.none() | TEXT,
        "signals": st.lists(SIGNALS, max_size=2),
        "instance": st.none() | INSTANCES,
    },
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)
"""Anything that Python writes as JSON, so with NaN, lone surrogates and NUL."""


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > 10**300
