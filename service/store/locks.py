"""PostgreSQL advisory locks: several processes, one at a time.

They are transaction locks: they end with their connection's transaction, however that ends, and
work through a connection pooler.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import BigInteger, Connection, cast, func, select, text


def key_of(name: str) -> int:
    """A lock's number: 63 bits of its name's digest."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


@contextmanager
def exclusive(connection: Connection, name: str) -> Iterator[None]:
    """Wait for the lock; hold it until the block ends."""
    with connection.begin():
        hold(connection, name)
        _idle(connection)
        yield


@contextmanager
def exclusive_or_skip(connection: Connection, name: str) -> Iterator[bool]:
    """Whether this process got the lock: if so, it holds it until the block ends."""
    with connection.begin():
        taken = func.pg_try_advisory_xact_lock(cast(key_of(name), BigInteger))
        is_taken = bool(connection.scalar(select(taken)))
        _idle(connection)
        yield is_taken


def hold(connection: Connection, name: str, *, shared: bool = False) -> None:
    """Take the lock until the running transaction ends."""
    take = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    connection.execute(select(take(cast(key_of(name), BigInteger))))


def limit_lock_waits(connection: Connection, *, seconds: int = 5) -> None:
    """Give up on a row that somebody else holds for longer; until the transaction ends."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{seconds}s'"))


def _idle(connection: Connection) -> None:
    # The transaction now idles until the work is done, which may take longer than an operator
    # allows others. And it must not idle on its last query's snapshot, for which a detach of a
    # partition waits, and VACUUM: that snapshot ends with this statement, which needs none.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
