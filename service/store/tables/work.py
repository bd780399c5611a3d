"""Queues, references and states of the workers; *local* tables on a cluster."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
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
