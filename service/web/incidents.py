"""The views of incidents: the list, and one with all that is known of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service.domain.incidents import Incident, Status
from service.store.apps import is_simulated, list_apps
from service.store.incidents import IncidentRecord, list_incidents, read_incident
from service.store.slos import StoredSlo, list_slos
from service.web.evidence import DriftEvidence, Evidence, gather_evidence, is_blind, is_drift

UNRESOLVED: tuple[Status, ...] = ("open", "acknowledged")
_RESOLVED: tuple[Status, ...] = ("resolved",)
_UNRESOLVED_SHOWN = 200
_RESOLVED_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class IncidentListView:
    """Everything unresolved, and a page of what is over; `older` is where the next page begins.

    `simulated` are the names of the apps that are played.
    """

    now: datetime
    simulated: frozenset[str]
    unresolved: tuple[Incident, ...]
    resolved: tuple[Incident, ...]
    older: int | None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """What the page of an incident shows."""

    now: datetime
    incident: Incident
    record: IncidentRecord
    is_simulated: bool
    evidence: tuple[Evidence, ...]

    @property
    def is_drift_only(self) -> bool:
        """Whether nothing but drift tests feeds it."""
        return bool(self.record.alerts) and all(map(is_drift, self.record.alerts))

    @property
    def is_blind_only(self) -> bool:
        """Whether nothing but blindness feeds it: nobody knows of any harm."""
        return bool(self.record.alerts) and all(map(is_blind, self.record.alerts))

    @property
    def is_explained(self) -> bool:
        """Whether the SLOs shown feed it; else they only stand for the same task."""
        return any(evidence.feeds for evidence in self.evidence)

    @property
    def drifts(self) -> tuple[DriftEvidence, ...]:
        found = (DriftEvidence.of(alert) for alert in self.record.alerts)
        return tuple(each for each in found if each is not None)

    @property
    def lasted(self) -> timedelta:
        return (self.incident.resolved_at or self.now) - self.incident.opened_at

    @property
    def next_steps(self) -> tuple[str, ...]:
        return tuple(_next_steps(self))


def build_incident_list(engine: Engine, *, before: int | None, now: datetime) -> IncidentListView:
    """`before`: the id of the last resolved incident already seen."""
    with engine.connect() as connection:
        unresolved = list_incidents(connection, statuses=UNRESOLVED, limit=_UNRESOLVED_SHOWN)
        resolved = list_incidents(
            connection, statuses=_RESOLVED, before=before, limit=_RESOLVED_PER_PAGE
        )
        apps = list_apps(connection)
    simulated = frozenset(app.name for app in apps if app.simulated)
    older = resolved[-1].id if len(resolved) == _RESOLVED_PER_PAGE else None
    return IncidentListView(now, simulated, tuple(unresolved), tuple(resolved), older)


def build_incident_view(
    engine: Engine, registry: Registry, incident_id: int, *, now: datetime
) -> IncidentView:
    """Raises UnknownIncidentError."""
    with engine.connect() as connection:
        record = read_incident(connection, incident_id)
        slos, feed = _slos_of(connection, record)
        evidence = tuple(
            gather_evidence(connection, registry, stored, record, feeds=feed, now=now)
            for stored in slos
        )
        simulated = is_simulated(connection, record.incident.app_id)
    return IncidentView(now, record.incident, record, simulated, evidence)


def _slos_of(connection: Connection, record: IncidentRecord) -> tuple[list[StoredSlo], bool]:
    """The SLOs whose alerts feed it, and True; without any (a drift), all of its task."""
    incident = record.incident
    of_task = [
        stored
        for stored in list_slos(connection, app=incident.app)
        if (stored.slo.indicator.environment, stored.slo.indicator.task)
        == (incident.environment, incident.task)
    ]
    sources = {alert.source for alert in record.alerts}
    feeding = [stored for stored in of_task if sources.intersection(stored.slo.alert_sources)]
    return (feeding, True) if feeding else (of_task, False)


def _next_steps(view: IncidentView) -> list[str]:
    if view.incident.status == "resolved":
        return ["Nothing: it is over. The timeline below says how it went."]
    steps = []
    if view.incident.status == "open":
        steps.append("Acknowledge it, so that others see that you take care of it.")
    if any(evidence.kinds for evidence in view.evidence):
        steps.append("See below what is bad: the label or the error type that has grown.")
    if view.is_drift_only:
        steps.append(
            "Read below what has drifted, and ask whether the provider changed the model, a "
            "release changed the prompt, or users ask something else. A drift is a change, not "
            "yet a fault."
        )
    elif view.is_blind_only:
        steps.append(
            "Find out why nothing can be judged: the sentence above says since when, and what "
            "came last. Nothing is known to be wrong, and nothing is known to be right."
        )
    elif any(len(evidence.versions) > 1 for evidence in view.evidence):
        steps.append(
            "Compare the versions below. One that is bad, and was not there before, is the "
            "first suspect (associated with the fault, not proven to cause it): roll it back."
        )
    elif view.is_explained:
        steps.append(
            "Nothing in the release, the model's name or the prompt version tells good from bad "
            "below: ask whether the provider changed the model, or users ask something else."
        )
    else:
        steps.append(
            "No SLO that feeds it is declared any more: read the evidence in the timeline."
        )
    steps.append(
        "Then wait: it resolves by itself as soon as every alert has cleared. Resolved by hand, "
        "it comes back as a new incident if the fault is still there."
    )
    return steps
