"""Make room, and make ready: coming partitions, expired ones, batch ids of long ago."""

from datetime import datetime

import structlog
from sqlalchemy import Engine

from service.settings import Settings
from service.store import partitions
from service.store.expiry import drop_expired
from service.store.ingest_batches import forget_batches

_log = structlog.get_logger()


def trim_storage(engine: Engine, settings: Settings, *, now: datetime) -> None:
    """Make the partitions of the coming days; drop what is past its retention."""
    partitions.make_ahead(engine, now=now)
    expired = drop_expired(engine, settings, now=now)
    for name in expired.dropped:
        _log.info("partition_dropped", partition=name)
    for name in expired.in_use:
        _log.warning("partition_in_use", partition=name, next_try="with the next turn")
    with engine.begin() as connection:
        # A repeated batch this old would be refused sample by sample.
        forget_batches(connection, before=now - settings.samples_retention)
