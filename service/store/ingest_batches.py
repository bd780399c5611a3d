"""Batch ids already taken in: what makes a repeated post harmless."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from service.store.tables import ingest_batches


def claim_batch(connection: Connection, app_id: int, batch_id: UUID, *, now: datetime) -> bool:
    """Whether this batch is new.

    A second post of the same batch waits here until the first one's transaction has ended.
    """
    claimed = connection.execute(
        insert(ingest_batches)
        .values(app_id=app_id, batch_id=batch_id, received_at=now)
        .on_conflict_do_nothing()
        .returning(ingest_batches.c.batch_id)
    )
    return claimed.first() is not None


def forget_batches(connection: Connection, *, before: datetime) -> int:
    """Drop ids of batches so old that their samples would be refused anyway."""
    return connection.execute(
        ingest_batches.delete().where(ingest_batches.c.received_at < before)
    ).rowcount
