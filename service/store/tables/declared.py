"""What people declare: apps, tasks, SLOs, channels, keys; *reference* tables on a cluster."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    Interval,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.tables.base import identity, instant, metadata

teams = Table("teams", metadata, identity(), Column("name", Text, nullable=False, unique=True))

channels = Table(
    "channels",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, CheckConstraint("kind IN ('webhook')", name="kind"), nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text),
)

apps = Table(
    "apps",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("simulated", Boolean, nullable=False),
    # Null: what the app itself has set, or what holds for the whole server.
    Column("sample_rate", Double),
    Column("samples_retention_days", Integer),
    instant("created_at"),
)

app_channels = Table(
    "app_channels",
    metadata,
    Column("app_id", BigInteger, ForeignKey("apps.id"), primary_key=True),
    Column("channel_id", BigInteger, ForeignKey("channels.id"), primary_key=True),
)

tasks = Table(
    "tasks",
    metadata,
    identity(),
    Column("app_id", BigInteger, ForeignKey("apps.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("contract", JSONB(none_as_null=True)),
    Column("evaluators", JSONB, nullable=False),
    Column("drift_evaluators", ARRAY(Text), nullable=False),
    Column("sample_rate", Double),
    UniqueConstraint("app_id", "name"),
)

slos = Table(
    "slos",
    metadata,
    identity(),
    Column("app_id", BigInteger, ForeignKey("apps.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("evaluator", Text),
    Column("objective", Double, nullable=False),
    Column("window", Interval, nullable=False),
    Column("tiers", JSONB, nullable=False),
    instant("archived_at", nullable=True),
    UniqueConstraint("app_id", "name"),
    CheckConstraint("objective > 0 AND objective < 1", name="objective"),
    CheckConstraint(
        "(kind = 'quality' AND evaluator IS NOT NULL)"
        " OR (kind = 'availability' AND evaluator IS NULL)",
        name="kind",
    ),
)

api_keys = Table(
    "api_keys",
    metadata,
    identity(),
    Column("app_id", BigInteger, ForeignKey("apps.id"), nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    # The first characters, so that a person can tell keys apart; far too few to use.
    Column("prefix", Text, nullable=False),
    # What it may do: 'ingest', 'read'.
    Column("scopes", ARRAY(Text), nullable=False),
    # Items a second; null: the server's own limit.
    Column("rate_limit_per_s", Double),
    instant("created_at"),
    instant("revoked_at", nullable=True),
)
