"""What is told to whom about an incident, and when telling is tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from service.domain.incidents import WATCHKEEPER, Alert, Incident, IncidentEvent, MessageKind

RETRY_DELAYS = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=10),
    timedelta(minutes=20),
    timedelta(minutes=40),
    timedelta(hours=1),
)
"""After the first failed attempt, the second, ...; the last one repeats. Denser at the beginning
than what Standard Webhooks proposes: these messages page somebody."""
GIVE_UP_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go. Its URL may hold a token, so neither it nor the secret is ever shown."""

    name: str
    kind: str
    url: str = field(repr=False)
    secret: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Message:
    """`id` tells a repeated message from a new one; `payload["dedup_key"]` names the incident."""

    id: str
    payload: Mapping[str, Any]

    def addressed(self, public_url: str) -> "Message":
        """The message with a link that works outside: the path is stored, the host is a setting.

        >>> message = Message("incident-7-opened", {"data": {"url": "/incidents/7"}})
        >>> message.addressed("https://watch.example.org/").payload
        {'data': {'url': 'https://watch.example.org/incidents/7'}}
        """
        data = self.payload["data"]
        url = public_url.rstrip("/") + data["url"]
        return Message(self.id, {**self.payload, "data": {**data, "url": url}})


def compose(
    incident: Incident,
    firing: Sequence[Alert],
    kind: MessageKind,
    *,
    reason: str,
    simulated: bool,
    at: datetime,
) -> Message:
    """The message about a step of an incident's life; `firing` are its alerts at that time.

    `reason` is why this step was taken: title and summary are those of the alarm to the end.
    Shape: Standard Webhooks (type, timestamp, data).
    """
    alerts = [
        {"source": alert.source, "severity": alert.severity, "sentence": alert.sentence}
        for alert in firing
    ]
    data = {
        "incident": incident.id,
        "title": incident.title,
        "severity": incident.severity,
        "status": incident.status,
        "app": incident.app,
        "environment": incident.environment,
        "task": incident.task,
        "simulated": simulated,
        "summary": incident.summary,
        "reason": reason,
        "alerts": alerts,
        "opened_at": incident.opened_at.isoformat(),
        "acknowledged_at": _isoformat(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "resolved_at": _isoformat(incident.resolved_at),
        "resolved_by": incident.resolved_by,
        "url": f"/incidents/{incident.id}",
    }
    payload = {
        "type": f"incident.{kind}",
        "timestamp": at.isoformat(),
        "dedup_key": incident.dedup_key,
        "data": data,
    }
    # A reopened incident can be acknowledged and resolved again: these are new messages.
    turn = f"-{incident.reopenings + 1}" if incident.reopenings else ""
    return Message(f"{incident.dedup_key}-{kind}{turn}", payload)


def next_attempt(
    *,
    attempts: int,
    created_at: datetime,
    now: datetime,
    chance: float,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """When to try again after `attempts` failed ones; None: no more, its day is over.

    `chance` in [0, 1) spreads what failed together ("equal jitter", AWS Architecture Blog,
    "Exponential Backoff And Jitter"). A receiver that asks for more time gets it, up to the end
    of the day: there is always a last attempt.

    >>> noon = datetime(2026, 11, 20, 12)
    >>> next_attempt(attempts=1, created_at=noon, now=noon, chance=0.5) - noon
    datetime.timedelta(seconds=7, microseconds=500000)
    """
    deadline = created_at + GIVE_UP_AFTER
    if now >= deadline:
        return None
    backoff = RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1] * (0.5 + 0.5 * chance)
    wait = max(backoff, retry_after or timedelta())
    return deadline if wait >= deadline - now else now + wait


def nobody_told(incident: Incident, *, at: datetime) -> IncidentEvent:
    """The timeline's entry where an incident opens and its app has no channel."""
    text = f"Nobody was told: the app '{incident.app}' has no channels"
    return IncidentEvent(at, "nobody_told", WATCHKEEPER, text, {})


def delivered(message: Message, channel_name: str, *, at: datetime) -> IncidentEvent:
    """The timeline's entry where a message has arrived."""
    text = f"{message.payload['type']} reached the channel '{channel_name}'"
    evidence = {"channel": channel_name, "message": message.id}
    return IncidentEvent(at, "delivered", WATCHKEEPER, text, evidence)


def delivery_failed(
    message: Message, channel_name: str, error: str, *, at: datetime
) -> IncidentEvent:
    """The timeline's entry where a message is given up."""
    text = f"{message.payload['type']} did not reach the channel '{channel_name}': {error}"
    evidence = {"channel": channel_name, "message": message.id}
    return IncidentEvent(at, "delivery_failed", WATCHKEEPER, text, evidence)


def _isoformat(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
