"""Make room, and make ready: coming partitions, expired ones, batch ids of long ago."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine

from service.domain.calls import CLOCK_SKEW_ALLOWANCE
from service.settings import Settings
from service.store import partitions, retention
from service.store.apps import App, list_apps, retention_of
from service.store.expiry import drop_expired
from service.store.ingest_batches import forget_batches
from service.store.sdk_instances import forget_instances

_log = structlog.get_logger()


def trim_storage(
    engine: Engine,
    settings: Settings,
    *,
    now: datetime,
    is_stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Make the partitions of the coming days; drop what is past its retention."""
    partitions.make_ahead(engine, now=now)
    expired = drop_expired(engine, settings, now=now)
    for name in expired.dropped:
        _log.info("partition_dropped", partition=name)
    for name in expired.in_use:
        _log.warning("partition_in_use", partition=name, next_try="with the next turn")
    with engine.begin() as connection:
        days = retention.read_longest_days(connection, default=settings.samples_retention_days)
        longest = timedelta(days=days)
        # A repeated batch this old would be refused item by item, even what was ahead of our clock.
        forget_batches(connection, before=now - longest - CLOCK_SKEW_ALLOWANCE)
        forget_instances(connection, now=now)
        apps = list_apps(connection)
    for app in apps:
        kept = retention_of(app, default=settings.samples_retention)
        if kept < longest:
            _delete_expired(engine, app, kept, now, is_stopping)


def _delete_expired(
    engine: Engine,
    app: App,
    kept: timedelta,
    now: datetime,
    is_stopping: Callable[[], bool],
) -> None:
    """What an app wants gone sooner than the partitions that it shares with others go."""
    before = retention.SAMPLES.first_kept(now, kept)
    deleted = 0
    while not is_stopping():
        with engine.begin() as connection:
            count = retention.delete_samples(connection, app.id, before=before)
        deleted += count
        if not count:
            break
    if deleted:
        _log.info("expired_samples_deleted", app=app.name, samples=deleted)
