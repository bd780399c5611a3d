"""Acknowledge an incident: somebody takes care of it."""

from datetime import datetime

from sqlalchemy import Engine

from service.domain.incidents import Incident, acknowledge
from service.flows.record_transition import record_transition
from service.store.incidents import lock_incident


def acknowledge_incident(engine: Engine, incident_id: int, *, by: str, now: datetime) -> Incident:
    """Of two who do this at once, one wins and the other is told who did.

    Raises:
        UnknownIncidentError: no incident has this id.
        AlreadyAcknowledgedError, AlreadyResolvedError: with who and when.
    """
    with engine.begin() as connection:
        incident = lock_incident(connection, incident_id)
        transition = acknowledge(incident, by=by, at=now)
        record_transition(connection, transition)
    return transition.incident
