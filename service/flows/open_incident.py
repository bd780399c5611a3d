"""The one door of alerts: what fires opens or joins an incident, what clears can end it.

Both functions work within the caller's transaction and wait for the row lock of the incident. A
caller with several alerts commits after each one, so that two callers cannot wait for each other.
"""

from datetime import datetime

from sqlalchemy import Connection

from service.domain import incidents as domain
from service.domain.incidents import WATCHKEEPER, AlertSignal, Incident
from service.domain.recurrence import is_back, is_settling
from service.flows.record_transition import record_transition
from service.store.alerts import clear_alerts, find_feed, list_alerts, put_alert
from service.store.incidents import (
    lock_current_incident,
    lock_incident,
    lock_last_incident,
    open_incident,
)
from service.store.slos import forget_alerting


def raise_alert(connection: Connection, signal: AlertSignal, *, now: datetime) -> Incident:
    """Take in a firing verdict; returns the incident that it feeds.

    To be called at each evaluation that fires: the first call opens, reopens or joins the incident,
    later ones refresh the alert's sentence and evidence and tell nobody, unless the severity rises.
    What rests on calls of before a person resolved the incident feeds nothing; it returns that one.
    """
    feed = find_feed(connection, signal.source)
    if feed is not None and feed.problem != signal.problem:
        # Its declaration was changed: what it said of the other task is no longer watched.
        reason = f"{signal.source} now watches {signal.problem}"
        clear_alert(connection, signal.source, now=now, reason=reason)
    incident = lock_current_incident(connection, signal.problem)
    if incident is None:
        return _begin(connection, signal, now)
    is_new_alert = put_alert(connection, incident.id, signal, now=now)
    transition = domain.feed(incident, signal, is_new_alert=is_new_alert, at=now)
    if transition is None:
        return incident
    record_transition(connection, transition)
    return transition.incident


def _begin(connection: Connection, signal: AlertSignal, now: datetime) -> Incident:
    last = lock_last_incident(connection, signal)
    if last is not None and is_settling(last, signal, at=now):
        # So that it does not go on firing by what made it fire before, without its short window.
        forget_alerting(connection, [signal.source])
        return last
    if last is not None and is_back(last, signal, at=now):
        transition = domain.reopen(last, signal, at=now)
    else:
        transition = domain.start(open_incident(connection, signal, now=now), signal, at=now)
    put_alert(connection, transition.incident.id, signal, now=now)
    record_transition(connection, transition)
    return transition.incident


def clear_alert(
    connection: Connection, source: str, *, now: datetime, reason: str
) -> Incident | None:
    """Take in a healthy verdict; with its last alert the incident resolves itself.

    Returns the incident that the source fed; None where it had no alert, which is the usual case.
    An unknown verdict does not belong here: silence never clears anything.
    """
    feed = find_feed(connection, source)
    if feed is None:
        return None
    incident = lock_incident(connection, feed.incident_id)
    if not clear_alerts(connection, incident.id, source=source, now=now):
        return None  # somebody else cleared it while we waited for the lock
    record_transition(connection, domain.clear(incident, source, reason, at=now))
    if list_alerts(connection, incident.id, only_firing=True):
        return incident
    note = f"no alert fires any more, the last one because {reason}"
    end = domain.resolve(incident, by=WATCHKEEPER, at=now, note=note)
    record_transition(connection, end)
    return end.incident
