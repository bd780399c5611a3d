"""Dropping partitions whose time is over, without standing in anybody's way.

`DROP TABLE` of a partition locks its parent against everybody. Behind one long reader it would
wait, and every insert would wait behind it. So a partition is detached `CONCURRENTLY` first: that
waits for the readers without holding a lock that others need. Detached, it is a table that nobody
looks for, and is dropped.

Each step may be the last one before a crash or a timeout; the next turn goes on from there:
attached, marked, detach pending (already invisible to new queries), detached, gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from service.settings import Settings
from service.store import locks
from service.store.database_errors import sqlstate_of
from service.store.partitions import CHANGES_LOCK, PARTITIONINGS, Partitioning
from service.store.retention import read_longest_days
from service.store.tables import samples

_EXPIRY_LOCK = "expiry"
_LOCK_TIMEOUT = "5s"
_MARK = "watchkeeper: expired, to be dropped"
"""The comment of tables that we detach. One that somebody else detached is theirs to keep."""

# Lock timeout, statement timeout, deadlock: somebody works with the table, which is no fault.
_IN_USE = frozenset({"55P03", "57014", "40P01"})
_REFUSED_ON_A_CLUSTER = "XX000"  # Citus cannot detach concurrently


@dataclass(frozen=True, slots=True)
class Expired:
    """What became of expired partitions, by their names."""

    dropped: list[str] = field(default_factory=list)
    in_use: list[str] = field(default_factory=list)
    """Somebody has been reading for long; they go in one of the next turns."""

    @contextmanager
    def noting_use(self, name: str) -> Iterator[None]:
        """A step of dropping that partition; it may have to wait for another turn."""
        try:
            yield
        except DBAPIError as error:
            if sqlstate_of(error) not in _IN_USE:
                raise
            self.in_use.append(name)


def drop_expired(engine: Engine, settings: Settings, *, now: datetime) -> Expired:
    """Drop the partitions whose newest row is past its retention; one process at a time."""
    expired = Expired()
    # Two connections: the lock ends with its transaction, and detaching must not be in one.
    with engine.connect() as guard, locks.exclusive_or_skip(guard, _EXPIRY_LOCK) as held:
        if not held:
            return expired
        for partitioning in PARTITIONINGS:
            days = _days_kept(engine, partitioning, settings)
            first_kept = partitioning.name_of(partitioning.first_kept(now, timedelta(days=days)))
            parent = partitioning.table.name
            _detach_before(engine, parent, first_kept, expired)
            _drop_detached(engine, parent, expired)
    return expired


def _days_kept(engine: Engine, partitioning: Partitioning, settings: Settings) -> int:
    """A partition is everybody's: it goes when the last app has no use for it any more.

    None goes before the samples of its days: as long as a sample may come in, or is there, so may
    its counts, scores and signals.
    """
    days: int = getattr(settings, partitioning.retention_setting)
    with engine.connect() as connection:
        of_samples = read_longest_days(connection, default=settings.samples_retention_days)
    return of_samples if partitioning.table is samples else max(days, of_samples)


def _detach_before(engine: Engine, parent: str, first_kept: str, expired: Expired) -> None:
    with _outside_transactions(engine) as connection:
        for name, is_pending in _attached(connection, parent):
            if not is_pending and name >= first_kept:
                continue
            with expired.noting_use(name):
                if is_pending:
                    _alter(connection, parent, f'DETACH PARTITION "{name}" FINALIZE')
                else:
                    _detach(connection, parent, name)
            if name in expired.in_use:
                break  # PostgreSQL detaches one partition of a table at a time


def _detach(connection: Connection, parent: str, name: str) -> None:
    connection.execute(text(f"COMMENT ON TABLE \"{name}\" IS '{_MARK}'"))
    try:
        _alter(connection, parent, f'DETACH PARTITION "{name}" CONCURRENTLY')
    except DBAPIError as error:
        if sqlstate_of(error) != _REFUSED_ON_A_CLUSTER:
            raise
        # This makes everybody wait, but no longer than the lock timeout.
        _alter(connection, parent, f'DETACH PARTITION "{name}"')


def _drop_detached(engine: Engine, parent: str, expired: Expired) -> None:
    with engine.connect() as connection:
        names = _detached(connection, parent)
    for name in names:
        with expired.noting_use(name), engine.begin() as connection:
            locks.limit_lock_waits(connection)
            locks.hold(connection, CHANGES_LOCK)
            connection.execute(text(f'DROP TABLE IF EXISTS "{name}"'))
        if name not in expired.in_use:
            expired.dropped.append(name)


@contextmanager
def _outside_transactions(engine: Engine) -> Iterator[Connection]:
    """A connection for commands that refuse to run in a transaction; it waits for no lock long."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # nobody else shall meet its timeout
        connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))
        yield connection


def _alter(connection: Connection, parent: str, change: str) -> None:
    connection.execute(text(f'ALTER TABLE "{parent}" {change}'))


def _attached(connection: Connection, parent: str) -> list[tuple[str, bool]]:
    """Partitions, and whether their detaching has begun; those first, then the oldest."""
    rows = connection.execute(
        text(
            "SELECT c.relname, i.inhdetachpending"
            " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(:parent) AND starts_with(c.relname, :prefix)"
            " ORDER BY i.inhdetachpending DESC, c.relname"
        ),
        {"parent": parent, "prefix": f"{parent}_p"},
    )
    return [(row.relname, row.inhdetachpending) for row in rows]


def _detached(connection: Connection, parent: str) -> list[str]:
    rows = connection.execute(
        text(
            "SELECT c.relname FROM pg_class c JOIN pg_class p ON p.relnamespace = c.relnamespace"
            " WHERE p.oid = to_regclass(:parent) AND c.relkind = 'r' AND NOT c.relispartition"
            " AND starts_with(c.relname, :prefix)"
            " AND obj_description(c.oid, 'pg_class') = :mark ORDER BY c.relname"
        ),
        {"parent": parent, "prefix": f"{parent}_p", "mark": _MARK},
    )
    return list(rows.scalars())
