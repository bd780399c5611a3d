"""Alerts. Whoever writes here holds the row lock of the alert's incident."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.incidents import Alert, AlertSignal
from service.store.tables import alerts, incidents

_ALERT = tuple(alerts.c[name] for name in Alert.__slots__)
_is_firing = alerts.c.cleared_at.is_(None)


@dataclass(frozen=True, slots=True)
class Feed:
    """Which incident a firing source feeds."""

    incident_id: int
    problem: str


def find_feed(connection: Connection, source: str) -> Feed | None:
    """The incident that this source's uncleared alert belongs to, if it has one."""
    row = connection.execute(
        select(alerts.c.incident_id, incidents.c.problem)
        .join_from(alerts, incidents)
        .where(alerts.c.source == source, _is_firing)
    ).one_or_none()
    return Feed(*row) if row else None


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """An uncleared alert, and where its incident is."""

    source: str
    app_id: int
    environment: str
    evidence: dict[str, Any]


def list_firing_alerts(connection: Connection, *, kind: str) -> list[FiringAlert]:
    """Every uncleared alert whose source is of this kind: `slo` or `drift`."""
    columns = (alerts.c.source, incidents.c.app_id, incidents.c.environment, alerts.c.evidence)
    rows = connection.execute(
        select(*columns)
        .join_from(alerts, incidents)
        .where(alerts.c.source.startswith(f"{kind}/", autoescape=True), _is_firing)
        .order_by(alerts.c.source)
    )
    return [FiringAlert(*row) for row in rows]


def put_alert(
    connection: Connection, incident_id: int, signal: AlertSignal, *, now: datetime
) -> bool:
    """Refresh the source's alert, or start one; True where it is new."""
    said = {
        "severity": signal.severity,
        "sentence": signal.sentence,
        "evidence": dict(signal.evidence),
    }
    refreshed = connection.execute(
        alerts.update()
        .where(alerts.c.source == signal.source, _is_firing)
        .values(said)
        .returning(alerts.c.id)
    )
    if refreshed.first() is not None:
        return False
    started = connection.execute(
        insert(alerts)
        .values(source=signal.source, incident_id=incident_id, started_at=now, **said)
        .on_conflict_do_nothing(index_elements=["source"], index_where=_is_firing)
        .returning(alerts.c.id)
    )
    return started.first() is not None


def clear_alerts(
    connection: Connection, incident_id: int, *, now: datetime, source: str | None = None
) -> tuple[str, ...]:
    """Clear the incident's firing alerts, or the one of a source; returns the cleared sources."""
    statement = alerts.update().where(alerts.c.incident_id == incident_id, _is_firing)
    if source is not None:
        statement = statement.where(alerts.c.source == source)
    return tuple(
        sorted(connection.scalars(statement.values(cleared_at=now).returning(alerts.c.source)))
    )


def list_alerts(
    connection: Connection, incident_id: int, *, only_firing: bool = False
) -> list[Alert]:
    """Of one incident, in the order in which they started."""
    query = select(*_ALERT).where(alerts.c.incident_id == incident_id)
    if only_firing:
        query = query.where(_is_firing)
    return [Alert(*row) for row in connection.execute(query.order_by(alerts.c.id))]
