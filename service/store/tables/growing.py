"""What grows with traffic: partitioned by time, `app_id` leads every key, no foreign keys.

*Distributed* by `app_id` on a cluster.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, SmallInteger, Table, Text, Uuid
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

call_counts = _growing(
    "call_counts",
    "minute",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("minute", Instant, primary_key=True),
    *(Column(name, Text, primary_key=True) for name in (*_DIMENSIONS, "outcome")),
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double, nullable=False),
)

sli_minutes = _growing(
    "sli_minutes",
    "minute",
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("minute", Instant, primary_key=True),
    *(
        Column(name, Text, primary_key=True)
        for name in (*_DIMENSIONS, "evaluator", "evaluator_version")
    ),
    # Samples whose evaluator failed: not counted in n, and not forgotten.
    Column("failed_n", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    *sums("w", "w2", "wx", "wx2"),
    Column("bad_n", BigInteger, nullable=False),
    *sums("bad_w", "bad_w2"),
)

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
