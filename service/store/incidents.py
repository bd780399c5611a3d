"""Incidents and their timelines.

The row lock of an incident orders everything that happens to it and to its alerts: a flow takes it
first, decides, and writes. The partial unique index keeps a problem to one unresolved incident;
who opens or reopens one takes the problem's lock, so that nobody ever meets that index.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select

from service.domain.incidents import (
    Alert,
    AlertSignal,
    Incident,
    IncidentEvent,
    Status,
    UnknownIncidentError,
)
from service.store.alerts import list_alerts
from service.store.locks import hold
from service.store.tables import alerts, apps, incident_events, incidents

_INCIDENT = select(
    *(apps.c.name if name == "app" else incidents.c[name] for name in Incident.__slots__)
).join_from(incidents, apps, apps.c.id == incidents.c.app_id)
_is_unresolved = incidents.c.resolved_at.is_(None)
_OF_STATUS: dict[Status, ColumnElement[bool]] = {
    "open": _is_unresolved & incidents.c.acknowledged_at.is_(None),
    "acknowledged": _is_unresolved & incidents.c.acknowledged_at.is_not(None),
    "resolved": incidents.c.resolved_at.is_not(None),
}


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An incident with all that happened to it."""

    incident: Incident
    alerts: tuple[Alert, ...]
    timeline: tuple[IncidentEvent, ...]


def list_incidents(
    connection: Connection,
    *,
    statuses: Collection[Status] = (),
    app: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Incident]:
    """The newest first; `before` is the id of the last one already seen. No status: all of them."""
    query = _INCIDENT.order_by(incidents.c.id.desc()).limit(limit)
    if statuses:
        query = query.where(or_(*(_OF_STATUS[status] for status in statuses)))
    if app is not None:
        query = query.where(apps.c.name == app)
    if before is not None:
        query = query.where(incidents.c.id < before)
    return [Incident(*row) for row in connection.execute(query)]


def read_incident(connection: Connection, incident_id: int) -> IncidentRecord:
    """The incident of that id.

    Raises:
        UnknownIncidentError: there is none.
    """
    return IncidentRecord(
        _found(_find(connection, _INCIDENT.where(incidents.c.id == incident_id)), incident_id),
        tuple(list_alerts(connection, incident_id)),
        tuple(_list_events(connection, incident_id)),
    )


def lock_incident(connection: Connection, incident_id: int) -> Incident:
    """The incident of that id, which nobody else changes until the transaction ends.

    Raises:
        UnknownIncidentError: there is none.
    """
    return _found(_lock(connection, incidents.c.id == incident_id), incident_id)


def lock_current_incident(connection: Connection, problem: str) -> Incident | None:
    """The unresolved incident of the problem, locked.

    Where there is none, this transaction is the only one that can make one, until it ends.
    """
    is_current = _is_unresolved & (incidents.c.problem == problem)
    current = _lock(connection, is_current)
    if current is None:
        hold(connection, f"problem/{problem}")
        # Somebody may have made one while we waited.
        current = _lock(connection, is_current)
    return current


def lock_last_incident(connection: Connection, signal: AlertSignal) -> Incident | None:
    """The newest incident of the signal's problem that its source fed, locked."""
    last = (
        select(alerts.c.incident_id)
        .join_from(alerts, incidents)
        .where(alerts.c.source == signal.source, incidents.c.problem == signal.problem)
        .order_by(alerts.c.incident_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return _lock(connection, incidents.c.id == last)


def open_incident(connection: Connection, signal: AlertSignal, *, now: datetime) -> Incident:
    """A new incident, in the transaction that `lock_current_incident` found none in."""
    new_id = connection.scalar(
        incidents.insert()
        .values(
            problem=signal.problem,
            app_id=signal.app_id,
            environment=signal.environment,
            task=signal.task,
            severity=signal.severity,
            title=signal.title,
            summary=signal.sentence,
            opened_at=now,
        )
        .returning(incidents.c.id)
    )
    return Incident(*connection.execute(_INCIDENT.where(incidents.c.id == new_id)).one())


def save_incident(connection: Connection, incident: Incident) -> None:
    """Write what can change of an incident that this transaction has locked."""
    changing = (
        *("severity", "title", "summary"),
        *("acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by", "reopenings"),
    )
    connection.execute(
        incidents.update()
        .where(incidents.c.id == incident.id)
        .values({name: getattr(incident, name) for name in changing})
    )


def add_event(connection: Connection, incident_id: int, event: IncidentEvent) -> None:
    """One more entry of the timeline."""
    connection.execute(
        incident_events.insert().values(
            incident_id=incident_id,
            at=event.at,
            kind=event.kind,
            actor=event.actor,
            text=event.text,
            evidence=dict(event.evidence),
        )
    )


def _list_events(connection: Connection, incident_id: int) -> list[IncidentEvent]:
    query = (
        select(*(incident_events.c[name] for name in IncidentEvent.__slots__))
        .where(incident_events.c.incident_id == incident_id)
        .order_by(incident_events.c.id)
    )
    return [IncidentEvent(*row) for row in connection.execute(query)]


def _lock(connection: Connection, which: ColumnElement[bool]) -> Incident | None:
    return _find(connection, _INCIDENT.where(which).with_for_update(of=incidents))


def _found(incident: Incident | None, incident_id: int) -> Incident:
    if incident is None:
        raise UnknownIncidentError(f"There is no incident {incident_id}")
    return incident


def _find(connection: Connection, query: Select[Any]) -> Incident | None:
    row = connection.execute(query).one_or_none()
    return Incident(*row) if row else None
