"""Incidents, what feeds them and what is sent of them; *local* tables on a cluster."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.tables.base import identity, instant, metadata, words

incidents = Table(
    "incidents",
    metadata,
    identity(),
    Column("problem", Text, nullable=False),
    Column("app_id", BigInteger, nullable=False),
    *words("environment", "task", "severity", "title", "summary"),
    instant("opened_at"),
    instant("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text),
    instant("resolved_at", nullable=True),
    Column("resolved_by", Text),
    Column("reopenings", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("severity IN ('page', 'ticket')", name="severity"),
    Index(
        "one_unresolved_incident_per_problem",
        "problem",
        unique=True,
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index("ix_incidents_app_id_opened_at", "app_id", "opened_at"),
)

incident_events = Table(
    "incident_events",
    metadata,
    identity(),
    Column("incident_id", BigInteger, ForeignKey("incidents.id"), nullable=False, index=True),
    instant("at"),
    *words("kind", "actor", "text"),
    Column("evidence", JSONB, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    identity(),
    Column("source", Text, nullable=False),
    Column("incident_id", BigInteger, ForeignKey("incidents.id"), nullable=False, index=True),
    *words("severity", "sentence"),
    Column("evidence", JSONB, nullable=False),
    instant("started_at"),
    instant("cleared_at", nullable=True),
    Index(
        "one_uncleared_alert_per_source",
        "source",
        unique=True,
        postgresql_where=text("cleared_at IS NULL"),
    ),
)

notifications = Table(
    "notifications",
    metadata,
    identity(),
    # Null: what is told is no incident.
    Column("incident_id", BigInteger, ForeignKey("incidents.id"), index=True),
    Column("channel_id", BigInteger, nullable=False),
    Column("dedup_key", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    instant("created_at"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    instant("next_attempt_at"),
    instant("delivered_at", nullable=True),
    instant("failed_at", nullable=True),
    Column("last_error", Text),
    UniqueConstraint("channel_id", "dedup_key"),
    Index(
        "ix_notifications_due",
        "next_attempt_at",
        postgresql_where=text("delivered_at IS NULL AND failed_at IS NULL"),
    ),
)

# How long an error budget was so low that a consequence of its policy was in force.
budget_crossings = Table(
    "budget_crossings",
    metadata,
    identity(),
    Column("slo_id", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("at_remaining", Double, nullable=False),
    # What remained when it began.
    Column("remaining", Double, nullable=False),
    # Names the period of the budget that it began in.
    instant("period_at"),
    instant("since"),
    instant("until", nullable=True),
    CheckConstraint("action IN ('notify', 'freeze')", name="action"),
    Index(
        "one_open_crossing_per_consequence",
        *("slo_id", "action", "at_remaining"),
        unique=True,
        postgresql_where=text('"until" IS NULL'),
    ),
    Index("ix_budget_crossings_slo_id_since", "slo_id", "since"),
)
