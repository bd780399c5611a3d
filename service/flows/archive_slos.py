"""Take SLOs out of force: no evaluation, no alert; what is known of them stays."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from service.flows.open_incident import clear_alert
from service.store import slos as store
from service.store.alerts import find_feed
from service.store.slo_versions import add_version, write_version
from service.store.slos import StoredSlo, find_slo, forget_alerting

ARCHIVED = "archived"


def archive_slos(
    connection: Connection,
    names: Collection[tuple[str, str]],
    *,
    by: str,
    note: str = "",
    now: datetime,
) -> None:
    """Archive these (app, name), which are in force; their alerts are cleared with the reason.

    Within the caller's transaction, and after whatever else it locks.
    """
    gone = [stored for name in names if (stored := find_slo(connection, *name)) is not None]
    if not gone:
        return
    # States, SLOs, incidents, and these by age: the order in which an evaluation locks them.
    forget_alerting(connection, [stored.slo.alert_source for stored in gone])
    store.archive_slos(connection, [stored.id for stored in gone], now=now)
    for stored in gone:
        add_version(
            connection,
            stored.id,
            write_version(stored.slo, stored.display_name),
            by=by,
            note=": ".join(filter(None, [ARCHIVED, note])),
            now=now,
        )
    _clear_alerts(connection, gone, by, now)


def _clear_alerts(
    connection: Connection, gone: Collection[StoredSlo], by: str, now: datetime
) -> None:
    feeds = []
    for stored in gone:
        slo = stored.slo
        for source in slo.alert_sources:
            feed = find_feed(connection, source)
            if feed is not None:
                feeds.append((feed.incident_id, source, slo.name))
    for _, source, name in sorted(feeds):
        reason = f"the SLO {name} was archived by {by}"
        clear_alert(connection, source, now=now, reason=reason)
