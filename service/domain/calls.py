"""Calls of a model as apps report them: samples kept whole, and counts of every call."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from service.domain.alert_windows import spell_duration

CLOCK_SKEW_ALLOWANCE = timedelta(minutes=5)
"""How far an app's clock may be ahead of ours. Longer than any synchronised clock is off."""


@dataclass(frozen=True, slots=True)
class NewSample:
    """A call that the app kept, with its prompt and response."""

    sample_id: UUID
    called_at: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    outcome: str
    error_type: str | None
    prompt: str | None
    response: str | None
    reference: str | None
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    finish_reason: str | None
    session_id: str | None
    user_id: str | None
    keep_probability: float
    attributes: dict[str, Any]


class Slice(NamedTuple):
    """What calls are counted by, beside their app; ordered, so that writers lock in one order."""

    minute: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    outcome: str


@dataclass(frozen=True, slots=True)
class CallCount:
    """How many calls of one slice, kept or not, and what they used."""

    slice: Slice
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float

    def __add__(self, other: "CallCount") -> "CallCount":
        """Counts of the same slice add up."""
        return CallCount(
            self.slice,
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one item of a batch was not taken; `pointer` is its RFC 6901 JSON pointer."""

    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One post of an app, items by their index in it; what could not be read is in `rejections`."""

    batch_id: UUID
    app: str | None
    samples: dict[int, NewSample]
    counts: dict[int, CallCount]
    rejections: tuple[Rejection, ...] = field(default=())


def refuse_time(instant: datetime, *, now: datetime, retention: timedelta) -> str | None:
    """Why a call at `instant` cannot be taken in, or None where it can."""
    if instant > now + CLOCK_SKEW_ALLOWANCE:
        ahead = spell_duration(instant - now)
        return f"is {ahead} ahead of the server's clock; at most 5 minutes are allowed"
    if instant < now - retention:
        ago = spell_duration(now - instant)
        return f"is {ago} ago; samples are kept for {retention.days} days"
    return None
