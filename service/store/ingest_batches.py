"""Batch ids already taken in: what makes a repeated post harmless."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from service.store.binary_arrays import uuid_array
from service.store.tables import ingest_batches


def claim_batches(
    connection: Connection, claims: Collection[tuple[int, UUID, int]], *, now: datetime
) -> set[tuple[int, UUID]]:
    """Which of these batches, by app, batch id and the key they came with, are new.

    A batch that comes with a revoked key is not. Another post of the same batch waits here until
    the first one's transaction has ended.
    """
    if not claims:
        return set()
    # In one order for all, so that no two groups wait for each other in a circle.
    app_ids, batch_ids, key_ids = zip(*sorted(claims), strict=True)
    claimed = connection.execute(
        text(
            "INSERT INTO ingest_batches (app_id, batch_id, received_at)"
            " SELECT c.app_id, c.batch_id, :now FROM unnest(CAST(:app_ids AS bigint[]), :batch_ids,"
            " CAST(:key_ids AS bigint[])) AS c (app_id, batch_id, key_id)"
            " LEFT JOIN api_keys k ON k.id = c.key_id WHERE k.revoked_at IS NULL"
            " ORDER BY c.app_id, c.batch_id ON CONFLICT DO NOTHING RETURNING app_id, batch_id"
        ),
        {
            "app_ids": list(app_ids),
            "batch_ids": uuid_array(batch_ids),
            "key_ids": list(key_ids),
            "now": now,
        },
    )
    return {(row.app_id, row.batch_id) for row in claimed}


def forget_batches(connection: Connection, *, before: datetime) -> int:
    """Drop ids of batches so old that their samples would be refused anyway."""
    return connection.execute(
        ingest_batches.delete().where(ingest_batches.c.received_at < before)
    ).rowcount
