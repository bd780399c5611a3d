"""Resolve an incident by hand."""

from datetime import datetime

from sqlalchemy import Engine

from service.domain.incidents import Incident, resolve
from service.flows.record_transition import record_transition
from service.store.alerts import clear_alerts, list_alerts
from service.store.incidents import lock_incident
from service.store.slos import forget_alerting


def resolve_incident(
    engine: Engine, incident_id: int, *, by: str, now: datetime, note: str = ""
) -> Incident:
    """End the incident and clear its alerts, even those that still fire.

    A source that still fires by the calls since then opens a new incident: who wants silence mends
    the fault or its declaration.

    Raises:
        UnknownIncidentError: no incident has this id.
        AlreadyResolvedError: with who and when.
    """
    with engine.begin() as connection:
        fed_by = [a.source for a in list_alerts(connection, incident_id, only_firing=True)]
        forget_alerting(connection, fed_by)
        incident = lock_incident(connection, incident_id)
        firing = clear_alerts(connection, incident_id, now=now)
        transition = resolve(incident, by=by, at=now, note=note, firing=firing)
        record_transition(connection, transition)
    return transition.incident
