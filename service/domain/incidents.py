"""Incidents: one per problem, fed by alerts, from open through acknowledged to resolved.

A transition takes a frozen incident and returns what to write: the incident as it is afterwards,
the entry of its timeline, and which message goes out, if any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from service.domain.alert_windows import Severity
from service.errors import ConflictError, NotFoundError

Status = Literal["open", "acknowledged", "resolved"]
MessageKind = Literal["opened", "escalated", "acknowledged", "resolved", "reopened"]
EventKind = Literal[
    "opened",
    "alert_joined",
    "escalated",
    "alert_cleared",
    "acknowledged",
    "resolved",
    "reopened",
    "nobody_told",
    "delivered",
    "delivery_failed",
]

SEVERITY_RANK: Mapping[Severity, int] = {"ticket": 1, "page": 2}
"""An incident has the highest severity that any of its alerts ever had."""

WATCHKEEPER = "watchkeeper"
"""The actor of what nobody did by hand."""


class UnknownIncidentError(NotFoundError):
    """There is no such incident."""


class AlreadyAcknowledgedError(ConflictError):
    """Somebody has acknowledged this incident before; the message says who and when."""


class AlreadyResolvedError(ConflictError):
    """This incident is over; the message says who resolved it and when."""


def problem_of(app: str, environment: str, task: str) -> str:
    """The key that an incident is one per; a slash within a name cannot shift the parts.

    >>> problem_of("support", "production", "answer")
    'support/production/answer'
    >>> problem_of("support", "eu/production", "answer")
    'support/eu%2Fproduction/answer'
    """
    parts = (app, environment, task)
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


@dataclass(frozen=True, slots=True)
class AlertSignal:
    """A source's firing verdict, on its way in.

    `source` names the condition, e.g. `slo/support/answers-correct`. `evidence` holds JSON values
    with finite numbers: the readings that a person would ask for.
    """

    source: str
    kind: Literal["slo", "drift", "blind"]
    app_id: int
    app: str
    environment: str
    task: str
    severity: Severity
    title: str
    sentence: str
    evidence: Mapping[str, Any]

    @property
    def problem(self) -> str:
        """See `problem_of`."""
        return problem_of(self.app, self.environment, self.task)


@dataclass(frozen=True, slots=True)
class Alert:
    """One source's firing condition."""

    source: str
    severity: Severity
    sentence: str
    evidence: Mapping[str, Any]
    started_at: datetime
    cleared_at: datetime | None

    @property
    def is_firing(self) -> bool:
        """Not cleared: still firing, or unknown since it fired."""
        return self.cleared_at is None


@dataclass(frozen=True, slots=True)
class Incident:
    """A problem of one task; title and summary are of its most severe alert, when that came."""

    id: int
    problem: str
    app_id: int
    app: str
    environment: str
    task: str
    severity: Severity
    title: str
    summary: str
    opened_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    reopenings: int = 0

    @property
    def status(self) -> Status:
        """Follows from the times, so it cannot contradict them."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"

    @property
    def dedup_key(self) -> str:
        """Stable over the life of the incident: a channel keeps one thread per key."""
        return f"incident-{self.id}"


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One entry of an incident's timeline."""

    at: datetime
    kind: EventKind
    actor: str
    text: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """What to write, together, in one transaction."""

    incident: Incident
    event: IncidentEvent
    message: MessageKind | None = None


def start(incident: Incident, signal: AlertSignal, *, at: datetime) -> Transition:
    """The first alert has opened this incident."""
    return Transition(incident, _event_of(signal, "opened", at), "opened")


def feed(
    incident: Incident, signal: AlertSignal, *, is_new_alert: bool, at: datetime
) -> Transition | None:
    """A signal reaches an incident that is there already; None where it tells nothing new.

    Only a rise in severity sends a message: one page per problem, whatever number of alerts.
    """
    if is_less_severe(incident, signal):
        risen = replace(
            incident, severity=signal.severity, title=signal.title, summary=signal.sentence
        )
        return Transition(risen, _event_of(signal, "escalated", at), "escalated")
    if is_new_alert:
        return Transition(incident, _event_of(signal, "alert_joined", at))
    return None


def reopen(last: Incident, signal: AlertSignal, *, at: datetime) -> Transition:
    """The fault is back (see `recurrence.is_back`): whoever was told that it was over is told once.

    Nobody takes care of it any more: who did so before may have gone to bed.
    """
    again = replace(
        last,
        severity=signal.severity,
        title=signal.title,
        summary=signal.sentence,
        acknowledged_at=None,
        acknowledged_by=None,
        resolved_at=None,
        resolved_by=None,
        reopenings=last.reopenings + 1,
    )
    return Transition(again, _event_of(signal, "reopened", at), "reopened")


def clear(incident: Incident, source: str, reason: str, *, at: datetime) -> Transition:
    """One of the incident's alerts no longer fires."""
    event = IncidentEvent(at, "alert_cleared", WATCHKEEPER, reason, {"source": source})
    return Transition(incident, event)


def acknowledge(incident: Incident, *, by: str, at: datetime) -> Transition:
    """Somebody takes care of it.

    Raises:
        AlreadyAcknowledgedError: somebody else was first.
        AlreadyResolvedError: it is over.
    """
    _refuse_resolved(incident)
    if incident.acknowledged_at is not None:
        raise AlreadyAcknowledgedError(
            f"Incident {incident.id} was acknowledged by {incident.acknowledged_by} "
            f"at {_spell(incident.acknowledged_at)}"
        )
    after = replace(incident, acknowledged_at=at, acknowledged_by=by)
    event = IncidentEvent(at, "acknowledged", by, f"Acknowledged by {by}", {})
    return Transition(after, event, "acknowledged")


def resolve(
    incident: Incident, *, by: str, at: datetime, note: str = "", firing: tuple[str, ...] = ()
) -> Transition:
    """It is over. `firing` are the sources that fired to the end, if a person ends it by hand.

    Raises:
        AlreadyResolvedError: somebody else was first.
    """
    _refuse_resolved(incident)
    after = replace(incident, resolved_at=at, resolved_by=by)
    text = f"Resolved by {by}" + (f": {note}" if note else "")
    event = IncidentEvent(at, "resolved", by, text, {"still_firing": firing} if firing else {})
    return Transition(after, event, "resolved")


def _refuse_resolved(incident: Incident) -> None:
    if incident.resolved_at is not None:
        raise AlreadyResolvedError(
            f"Incident {incident.id} was resolved by {incident.resolved_by} "
            f"at {_spell(incident.resolved_at)}"
        )


def is_less_severe(one: Incident | AlertSignal, other: Incident | AlertSignal) -> bool:
    """Whether the other one is the worse of the two."""
    return SEVERITY_RANK[one.severity] < SEVERITY_RANK[other.severity]


def _event_of(signal: AlertSignal, kind: EventKind, at: datetime) -> IncidentEvent:
    evidence = {
        "source": signal.source,
        "kind": signal.kind,
        "severity": signal.severity,
        "reading": dict(signal.evidence),
    }
    return IncidentEvent(at, kind, WATCHKEEPER, signal.sentence, evidence)


def _spell(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
