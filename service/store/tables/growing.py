"""What grows with traffic: partitioned by time, `app_id` leads every key, no foreign keys.

*Distributed* by `app_id` on a cluster.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.tables.base import Instant, instant, metadata, sums, words

_DIMENSIONS = ("environment", "task", "release", "model", "prompt_version")


def _growing(name: str, time_column: str, *columns: Column[Any] | Index) -> Table:
    return Table(name, metadata, *columns, postgresql_partition_by=f"RANGE ({time_column})")


samples = _growing(
    "samples",
    "called_at",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("called_at", Instant, primary_key=True),
    Column("sample_id", Uuid, primary_key=True),
    *words(*_DIMENSIONS, "outcome"),
    Column("error_type", Text),
    Column("prompt", Text),
    Column("response", Text),
    Column("reference", Text),
    Column("latency_ms", Double),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost_usd", Double),
    Column("finish_reason", Text),
    Column("session_id", Text),
    Column("user_id", Text),
    Column("keep_probability", Double, nullable=False),
    Column("attributes", JSONB, nullable=False),
    instant("received_at"),
    # Signals name a sample by its id alone. Ids that follow the clock (UUIDv7) keep its pages warm.
    Index("ix_samples_sample_id", "app_id", "sample_id"),
)

scores = _growing(
    "scores",
    "called_at",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("called_at", Instant, primary_key=True),
    Column("sample_id", Uuid, primary_key=True),
    Column("evaluator", Text, primary_key=True),
    Column("evaluator_version", Text, primary_key=True),
    *words("environment", "task"),
    # Null: the evaluator failed on this sample; `explanation` says how.
    Column("value", Double),
    Column("passed", Boolean),
    Column("label", Text, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("weight", Double, nullable=False),
    instant("scored_at"),
    Index("ix_scores_stream", "app_id", "environment", "task", "evaluator", "called_at"),
)

_OF_CALLS = ("release", "model", "prompt_version", "outcome")
_OF_SCORES = ("release", "model", "prompt_version")


def _counts(name: str, of: tuple[str, ...], by: tuple[str, ...], *sums: Column[Any]) -> Table:
    """Counts of each minute. An SLO reads one task over a time: what it names leads the key."""
    return _growing(
        name,
        "minute",
        Column("app_id", BigInteger, primary_key=True, autoincrement=False),
        *(Column(word, Text, primary_key=True) for word in of),
        Column("minute", Instant, primary_key=True),
        *(Column(word, Text, primary_key=True) for word in by),
        *sums,
    )


def _totals(name: str, of: tuple[str, ...], by: tuple[str, ...], *sums: Column[Any]) -> Table:
    """The same counts, added up over `span` hours: 1 or 24."""
    return _growing(
        name,
        "starts_at",
        Column("app_id", BigInteger, primary_key=True, autoincrement=False),
        *(Column(word, Text, primary_key=True) for word in of),
        Column("span", SmallInteger, primary_key=True, autoincrement=False),
        Column("starts_at", Instant, primary_key=True),
        *(Column(word, Text, primary_key=True) for word in by),
        # Which minutes of the hour have counts, a bit each; 0 of a day.
        Column("minutes_seen", BigInteger, nullable=False),
        *sums,
    )


def _call_sums() -> list[Column[Any]]:
    return [
        Column("calls", BigInteger, nullable=False),
        # Equal to `calls` where each was counted; more where kept ones stand for others too.
        *sums("squares"),
        Column("input_tokens", BigInteger, nullable=False),
        Column("output_tokens", BigInteger, nullable=False),
        Column("cost_usd", Double, nullable=False),
        # Calls by latency, in the buckets of `domain/latency.py`; empty where none was told.
        Column("latency_counts", ARRAY(BigInteger), nullable=False),
    ]


def _score_sums() -> list[Column[Any]]:
    return [
        # Samples whose evaluator failed: not counted in n, and not forgotten.
        Column("failed_n", BigInteger, nullable=False),
        Column("n", BigInteger, nullable=False),
        *sums("w", "w2", "wx", "wx2"),
        Column("bad_n", BigInteger, nullable=False),
        *sums("bad_w", "bad_w2"),
    ]


def _signal_sums() -> list[Column[Any]]:
    return [
        # By all the kinds of signals that speak against them, see `domain/signal_counts.py`.
        Column("kinds", SmallInteger, primary_key=True, autoincrement=False),
        Column("n", BigInteger, nullable=False),
        *sums("w", "w2"),
    ]


_TASK = ("environment", "task")
_STREAM = (*_TASK, "evaluator", "evaluator_version")

call_counts = _counts("call_counts", _TASK, _OF_CALLS, *_call_sums())
call_totals = _totals("call_totals", _TASK, _OF_CALLS, *_call_sums())
sli_minutes = _counts("sli_minutes", _STREAM, _OF_SCORES, *_score_sums())
sli_totals = _totals("sli_totals", _STREAM, _OF_SCORES, *_score_sums())

# Kept calls that users spoke against, by the time of the call.
signal_counts = _counts("signal_counts", _TASK, _OF_SCORES, *_signal_sums())
signal_totals = _totals("signal_totals", _TASK, _OF_SCORES, *_signal_sums())

drift_counts = _growing(
    "drift_counts",
    "hour",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", Instant, primary_key=True),
    Column("reference_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bin", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    *sums("w", "w2"),
)

slo_evidence = _growing(
    "slo_evidence",
    "hour",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("slo_id", BigInteger, primary_key=True, autoincrement=False),
    # Of the SLO's indicator and objective: what was won against another one is never added to it.
    Column("target_version", Text, primary_key=True),
    Column("evaluator_version", Text, primary_key=True),
    Column("hour", Instant, primary_key=True),
    # See `domain/bets.py`.
    Column("n", BigInteger, nullable=False),
    Column("good_n", BigInteger, nullable=False),
    Column("good_weight", Double, nullable=False),
    *sums("w", "w2"),
    Column("bad_n", BigInteger, nullable=False),
    *sums("bad_w", "bad_w2"),
    Column("terms", ARRAY(Double), nullable=False),
)

signals = _growing(
    "signals",
    "signalled_at",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("signalled_at", Instant, primary_key=True),
    Column("signal_id", Uuid, primary_key=True),
    Column("sample_id", Uuid, nullable=False),
    *words("environment", "task", "kind"),
    Column("value", Double),
    Column("text", Text),
    Column("session_id", Text),
    Column("user_id", Text),
    Column("is_derived", Boolean, nullable=False),
    instant("received_at"),
    # Of its sample, once that is known: signals may come long after, or before it.
    instant("called_at", nullable=True),
    # When to look for the sample next; null once it is found, or no longer looked for.
    instant("look_at", nullable=True),
    Index("ix_signals_sample_id", "app_id", "sample_id"),
    Index(
        "ix_signals_waiting",
        *("app_id", "look_at"),
        postgresql_where=text("look_at IS NOT NULL"),
    ),
)

sessions = _growing(
    "sessions",
    "ended_at",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ended_at", Instant, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("user_id", Text),
    instant("started_at"),
    Column("calls", BigInteger, nullable=False),
    Column("keep_probability", Double, nullable=False),
    Column("last_sample_id", Uuid, nullable=False),
    # Why it counts as abandoned; null where it ended well.
    Column("abandonment", Text),
    instant("closed_at"),
)
