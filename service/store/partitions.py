"""Partitions of the growing tables, made before they are needed; `expiry.py` drops them.

A partition is made as a table of its own and then attached, which does not lock out readers and
writers of its siblings as `CREATE TABLE ... PARTITION OF` would.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, bindparam, text
from sqlalchemy.exc import DBAPIError

from service.store import locks, tables
from service.store.database_errors import CHECK_VIOLATION, sqlstate_of

_AHEAD = timedelta(days=2)
_DAY_S = 86_400
CHANGES_LOCK = "partitions"
"""Held while a partition is made or dropped."""


@dataclass(frozen=True)
class Partitioning:
    """How one growing table is cut, and which setting says how long its rows are kept."""

    table: Table
    every: Literal["day", "month"]
    retention_setting: str

    def start_of(self, instant: datetime) -> datetime:
        """The beginning of the partition that holds `instant`."""
        midnight = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self.every == "day" else midnight.replace(day=1)

    def end_of(self, start: datetime) -> datetime:
        """The end (exclusive) of the partition that begins at `start`."""
        if self.every == "day":
            return start + timedelta(days=1)
        return (start + timedelta(days=32)).replace(day=1)

    def first_kept(self, now: datetime, retention: timedelta) -> datetime:
        """The beginning of the oldest partition that is still needed.

        With a day's grace: rows are accepted up to the very edge of the retention.
        """
        return self.start_of(now - retention - timedelta(days=1))

    def name_of(self, start: datetime) -> str:
        """The partition's table name; the date in it sorts."""
        return f"{self.table.name}_p{start:%Y%m%d}"


PARTITIONINGS: tuple[Partitioning, ...] = (
    Partitioning(tables.samples, "day", "samples_retention_days"),
    Partitioning(tables.scores, "day", "scores_retention_days"),
    Partitioning(tables.call_counts, "month", "counts_retention_days"),
    Partitioning(tables.sli_minutes, "month", "counts_retention_days"),
    Partitioning(tables.call_totals, "month", "counts_retention_days"),
    Partitioning(tables.sli_totals, "month", "counts_retention_days"),
    Partitioning(tables.signal_counts, "month", "counts_retention_days"),
    Partitioning(tables.signal_totals, "month", "counts_retention_days"),
    Partitioning(tables.slo_evidence, "month", "counts_retention_days"),
    Partitioning(tables.drift_counts, "month", "counts_retention_days"),
    Partitioning(tables.signals, "month", "scores_retention_days"),
    Partitioning(tables.sessions, "month", "scores_retention_days"),
)

_KNOWN: WeakKeyDictionary[Engine, set[int]] = WeakKeyDictionary()
"""Days (since 1970) whose partitions this process has seen."""


def ensure(engine: Engine, instants: Iterable[datetime]) -> None:
    """Make every partition that rows at these instants need; in a transaction of its own.

    Raises:
        OperationalError: Somebody holds a lock that this needs for too long; try again.
    """
    _make_missing(engine, _days_of(instants))


def ensure_once(engine: Engine, instants: Iterable[datetime]) -> None:
    """The same, without another look at days whose partitions this process has seen.

    For whoever can meet one that has gone since (see `is_missing`): dropped by hand, or before the
    retention was extended.
    """
    known = _KNOWN.setdefault(engine, set())
    days = _days_of(instants) - known
    if days:
        _make_missing(engine, days)
        known |= days


def _days_of(instants: Iterable[datetime]) -> set[int]:
    return {int(instant.timestamp()) // _DAY_S for instant in instants}


def forget_known(engine: Engine) -> None:
    """Look again which partitions there are: one has gone that was known."""
    _KNOWN.pop(engine, None)


def is_missing(error: DBAPIError) -> bool:
    """Whether a row found no partition; PostgreSQL reports that like a check that failed."""
    refused_by = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return sqlstate_of(error) == CHECK_VIOLATION and refused_by is None


def _make_missing(engine: Engine, days: set[int]) -> None:
    wanted = {
        p.name_of(start): (p, start)
        for p in PARTITIONINGS
        for start in {p.start_of(datetime.fromtimestamp(day * _DAY_S, UTC)) for day in days}
    }
    if not wanted:
        return
    with engine.begin() as connection:
        missing = wanted.keys() - _existing(connection, list(wanted))
        if not missing:
            return
        locks.limit_lock_waits(connection)
        locks.hold(connection, CHANGES_LOCK)
        # Read again: somebody else may have made them while we waited for the lock.
        for name in sorted(missing - _existing(connection, list(missing))):
            partitioning, start = wanted[name]
            _make(connection, partitioning, start)


def make_ahead(engine: Engine, *, now: datetime | None = None) -> None:
    """Make today's partitions and those of the coming days."""
    today = now or datetime.now(UTC)
    ensure(engine, [today, today + _AHEAD / 2, today + _AHEAD])


def _existing(connection: Connection, names: list[str]) -> set[str]:
    rows = connection.execute(
        text("SELECT relname FROM pg_class WHERE relname IN :names AND relispartition").bindparams(
            bindparam("names", expanding=True)
        ),
        {"names": names},
    )
    return set(rows.scalars())


def _make(connection: Connection, partitioning: Partitioning, start: datetime) -> None:
    parent, name = partitioning.table.name, partitioning.name_of(start)
    end = partitioning.end_of(start)
    connection.execute(text(f'CREATE TABLE "{name}" (LIKE "{parent}" INCLUDING ALL)'))
    connection.execute(
        text(
            f'ALTER TABLE "{parent}" ATTACH PARTITION "{name}"'
            f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    )
