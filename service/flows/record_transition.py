"""Write a step of an incident's life: state, timeline and outbox, in the caller's transaction."""

from sqlalchemy import Connection

from service.domain.incidents import Transition
from service.domain.notifications import compose, nobody_told
from service.store.alerts import list_alerts
from service.store.apps import is_simulated
from service.store.incidents import add_event, save_incident
from service.store.notifications import enqueue


def record_transition(connection: Connection, transition: Transition) -> None:
    """The incident is locked by the caller."""
    incident, event = transition.incident, transition.event
    save_incident(connection, incident)
    add_event(connection, incident.id, event)
    if transition.message is None:
        return
    firing = list_alerts(connection, incident.id, only_firing=True)
    message = compose(
        incident,
        firing,
        transition.message,
        reason=event.text,
        simulated=is_simulated(connection, incident.app_id),
        at=event.at,
    )
    told = enqueue(connection, incident, message, now=event.at)
    if transition.message == "opened" and not told:
        add_event(connection, incident.id, nobody_told(incident, at=event.at))
