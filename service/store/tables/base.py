"""What all tables share: naming of constraints, and short words for common columns."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Double, Identity, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Instant = DateTime(timezone=True)


def identity() -> Column[int]:
    """A generated bigint key."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def instant(name: str, *, nullable: bool = False) -> Column[Any]:
    """A time."""
    return Column(name, Instant, nullable=nullable)


def words(*names: str) -> list[Column[str]]:
    """Texts that are never null: the empty word where the app does not say."""
    return [Column(name, Text, nullable=False) for name in names]


def sums(*names: str) -> list[Column[float]]:
    """Sums of weights."""
    return [Column(name, Double, nullable=False) for name in names]
