"""Queues, references and states of the workers; *local* tables on a cluster."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.tables.base import Instant, identity, instant, metadata, words

ingest_batches = Table(
    "ingest_batches",
    metadata,
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("batch_id", Uuid, primary_key=True),
    instant("received_at"),
    Index("ix_ingest_batches_received_at", "received_at"),
)

scoring_jobs = Table(
    "scoring_jobs",
    metadata,
    identity(),
    Column("app_id", BigInteger, nullable=False),
    *words("environment", "task"),
    Column("called_ats", ARRAY(Instant), nullable=False),
    Column("sample_ids", ARRAY(Uuid), nullable=False),
    Column("sample_count", Integer, nullable=False),
    instant("first_called_at"),
    instant("last_called_at"),
    instant("created_at"),
    # Leases that ended with their worker, and errors that a worker lived to tell: not one number,
    # because killed workers are no fault of the job, and a job that kills them reports no error.
    Column("lost_leases", Integer, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("lease_token", Uuid),
    instant("leased_until", nullable=True),
    instant("failed_at", nullable=True),
    Column("last_error", Text),
    Index(
        "ix_scoring_jobs_claimable",
        *("app_id", "last_called_at", "id"),
        postgresql_where=text("failed_at IS NULL"),
    ),
    Index("ix_scoring_jobs_backlog", "app_id", "task", "environment"),
)

awaited_scores = Table(
    "awaited_scores",
    metadata,
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sample_id", Uuid, primary_key=True),
    Column("evaluator", Text, primary_key=True),
    Column("value", Double, nullable=False),
    *words("label", "explanation"),
    instant("received_at"),
    Index("ix_awaited_scores_received_at", "received_at"),
)

api_key_uses = Table(
    "api_key_uses",
    metadata,
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    instant("last_used_at"),
)

sdk_instances = Table(
    "sdk_instances",
    metadata,
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("instance_id", Uuid, primary_key=True),
    *words("environment", "release", "sdk"),
    instant("started_at"),
    # Of the newest batch that told its ledger: an older one must not overwrite it.
    Column("sequence", BigInteger, nullable=False),
    Column("produced", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("sampled_out", BigInteger, nullable=False),
    Column("queued", BigInteger, nullable=False),
    Column("dropped", JSONB, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("uncounted", JSONB, nullable=False),
    # By our own count over all its batches, in whatever order they came and were answered: samples
    # that are stored, and samples that were refused.
    Column("arrived", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    # Written with every batch: no index holds it, so that such a write touches none (HOT).
    instant("seen_at"),
)

open_sessions = Table(
    "open_sessions",
    metadata,
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("environment", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    *words("task"),
    Column("user_id", Text),
    instant("started_at"),
    instant("last_called_at"),
    Column("calls", BigInteger, nullable=False),
    Column("keep_probability", Double, nullable=False),
    Column("last_sample_id", Uuid, nullable=False),
    Column("last_outcome", Text, nullable=False),
    # When a call of it last came in: calls of a log, or of an outage, are idle from the first on.
    instant("touched_at"),
    Index("ix_open_sessions_touched_at", "touched_at"),
)

drift_references = Table(
    "drift_references",
    metadata,
    identity(),
    Column("app_id", BigInteger, nullable=False),
    *words("environment", "task", "evaluator", "evaluator_version"),
    instant("starts_at"),
    instant("ends_at"),
    Column("bins", JSONB, nullable=False),
    instant("created_at"),
    instant("replaced_at", nullable=True),
    Index(
        "uq_drift_references_active",
        "app_id",
        "environment",
        "task",
        "evaluator",
        "evaluator_version",
        unique=True,
        postgresql_where=text("replaced_at IS NULL"),
    ),
)

slo_states = Table(
    "slo_states",
    metadata,
    Column("slo_id", BigInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("verdict", JSONB, nullable=False),
    instant("evaluated_at"),
    CheckConstraint("status IN ('firing', 'healthy', 'unknown')", name="status"),
)

slo_leaks = Table(
    "slo_leaks",
    metadata,
    Column("slo_id", BigInteger, primary_key=True, autoincrement=False),
    Column("target_version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("e_value", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("hours_seen", Integer, nullable=False),
    instant("judged_until"),
    instant("leaking_since", nullable=True),
    instant("alarmed_at", nullable=True),
    Column("reading", JSONB, nullable=False),
    CheckConstraint("status IN ('firing', 'healthy', 'unknown')", name="status"),
)

drift_states = Table(
    "drift_states",
    metadata,
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Text, primary_key=True) for name in ("environment", "task", "evaluator")),
    Column("status", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("verdict", JSONB, nullable=False),
    instant("evaluated_at"),
    CheckConstraint("status IN ('firing', 'healthy', 'unknown')", name="status"),
)

# Since when an SLO stands as it does: `slo_states` has only how.
slo_spells = Table(
    "slo_spells",
    metadata,
    Column("slo_id", BigInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    instant("since"),
    # Since when nothing can be judged, and why; null while it can.
    instant("blind_since", nullable=True),
    Column("cause", Text),
    instant("noted_at"),
    CheckConstraint("status IN ('firing', 'healthy', 'unknown')", name="status"),
)

# One row: written once a minute, which shows that the database can be written to.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    instant("written_at"),
    instant("delivered_at", nullable=True),
    CheckConstraint("id = 1", name="only_one"),
)
