"""The heartbeat's row: written before each heartbeat, by one worker of all."""

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from service.store.tables import heartbeats

_ONLY = 1


def begin_heartbeat(connection: Connection, *, now: datetime, unless_after: datetime) -> bool:
    """Write that a heartbeat is sent now; False where another worker did so a moment ago."""
    statement = insert(heartbeats).values(id=_ONLY, written_at=now)
    written = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={"written_at": statement.excluded.written_at},
            # The condition is the lock: of two workers, the second finds it no longer true.
            where=heartbeats.c.written_at <= unless_after,
        ).returning(heartbeats.c.id)
    )
    return written.first() is not None


def record_heartbeat(connection: Connection, *, now: datetime) -> None:
    """Its receiver has taken it."""
    connection.execute(heartbeats.update().values(delivered_at=now))
