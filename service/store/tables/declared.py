"""What people declare: apps, tasks, SLOs, channels, keys; *reference* tables on a cluster."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
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
    # The apps that it was last declared beside: with them it can go. See `store/ownership.py`.
    Column("declared_beside", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    instant("archived_at", nullable=True),
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
    # Whether its app was last declared in the same set of documents: with it the task can go.
    Column("declared_with_app", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("app_id", "name"),
)

slos = Table(
    "slos",
    metadata,
    identity(),
    Column("app_id", BigInteger, ForeignKey("apps.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    # See `store/slo_documents.py`.
    Column("definition", JSONB, nullable=False),
    # As of tasks.
    Column("declared_with_app", Boolean, nullable=False, server_default=false()),
    instant("archived_at", nullable=True),
    UniqueConstraint("app_id", "name"),
)

# What was ever in force, and who brought it: rows are added, never changed.
slo_versions = Table(
    "slo_versions",
    metadata,
    Column("slo_id", BigInteger, ForeignKey("slos.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    # As of slos, with the display name.
    Column("definition", JSONB, nullable=False),
    instant("applied_at"),
    Column("applied_by", Text, nullable=False),
    Column("note", Text, nullable=False),
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

# Minutes that count for nothing, and who said so; a row is revoked, never deleted.
corrections = Table(
    "corrections",
    metadata,
    identity(),
    Column("app_id", BigInteger, ForeignKey("apps.id"), nullable=False),
    # Which SLOs of the app it holds for; null: whichever.
    *(Column(name, Text) for name in ("environment", "task", "slo")),
    instant("starts_at"),
    instant("ends_at"),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    instant("created_at"),
    instant("revoked_at", nullable=True),
    Column("revoked_by", Text),
    CheckConstraint("ends_at > starts_at", name="ends"),
    CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revocation"),
    Index("ix_corrections_app_id_ends_at", "app_id", "ends_at"),
)
