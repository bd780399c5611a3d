"""Calls of a model as apps report them: samples kept whole, and counts of every call."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from service.domain.alert_windows import spell_duration
from service.domain.instances import SdkInstance
from service.domain.latency import merge_counts
from service.domain.scores import ReportedScore
from service.domain.signals import NewSignal

CLOCK_SKEW_ALLOWANCE = timedelta(minutes=5)
"""How far an app's clock may be ahead of ours. Longer than any synchronised clock is off."""


SampleKey = tuple[datetime, UUID]
"""A sample's identity beside its app: when it was called, and its id."""


class NewSample(NamedTuple):
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

    @property
    def key(self) -> SampleKey:
        """Its identity beside its app."""
        return self.called_at, self.sample_id

    @property
    def order(self) -> tuple[datetime, int]:
        """Its identity beside its app, as what sorts the same and compares much faster."""
        return self.called_at, self.sample_id.int


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
    latency_counts: tuple[int, ...] = ()
    """Calls by latency, in the buckets of `latency.py`; empty where none was told."""
    squares: float | None = None
    """Where calls were not counted one by one: the sum of the squares of how many calls each of
    those that were seen stands for. It says how sure the count is."""

    @property
    def sum_of_squares(self) -> float:
        """The same, where each call stands for itself as well."""
        return self.calls if self.squares is None else self.squares

    def __add__(self, other: "CallCount") -> "CallCount":
        """Counts of the same slice add up."""
        return CallCount(
            self.slice,
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
            merge_counts(self.latency_counts, other.latency_counts),
            self.sum_of_squares + other.sum_of_squares,
        )


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said of one item of a batch, or of one field; `pointer` is RFC 6901."""

    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One post of an app, items by their index in it.

    rejections: what could not be read.  truncations: texts that were too long and are kept in part.
    scores: what the app's own evaluations said of its samples.
    """

    batch_id: UUID
    app: str | None = None
    samples: dict[int, NewSample] = field(default_factory=dict)
    counts: dict[int, CallCount] = field(default_factory=dict)
    signals: dict[int, NewSignal] = field(default_factory=dict)
    scores: tuple[ReportedScore, ...] = ()
    instance: SdkInstance | None = None
    rejections: tuple[Remark, ...] = ()
    truncations: tuple[Remark, ...] = ()
    uncounted: bool = False
    """Nothing has counted these calls: each sample that is new counts for what it stands for."""

    @property
    def items(self) -> int:
        """How many things it brings; what rate limits count. An empty batch is one too."""
        brought = len(self.samples) + len(self.counts) + len(self.signals) + len(self.scores)
        return max(brought + len(self.rejections), 1)


def refuse_time(instant: datetime, *, now: datetime, retention: timedelta) -> str | None:
    """Why a call at `instant` cannot be taken in, or None where it can."""
    if instant > now + CLOCK_SKEW_ALLOWANCE:
        ahead = spell_duration(instant - now)
        return f"is {ahead} ahead of the server's clock; at most 5 minutes are allowed"
    if instant < now - retention:
        ago = spell_duration(now - instant)
        return f"is {ago} ago; samples are kept for {retention.days} days"
    return None
