"""The JSON of stored samples: of `GET /v1/samples`, and of each line of `watchkeeper export`."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from service.api.schemas.words import Dimension, Name
from service.domain.calls import SampleKey
from service.store.exported_samples import StoredSample, StoredScore, Wanted

LARGEST_PAGE = 1_000
CURSOR_CHARACTERS = 100


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a time that can be stored") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class StoredSamplesIn(BaseModel):
    """Which samples, in which order, and how many at a time."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    since: Instant | None = None
    """Calls from here on, RFC 3339; the + of an offset is written %2B."""
    until: Instant | None = None
    """Calls before this time."""
    sample_id: UUID | None = None
    environment: Name | None = None
    task: Name | None = None
    release: Dimension | None = None
    model: Dimension | None = None
    prompt_version: Dimension | None = None
    outcome: Literal["ok", "error"] | None = None
    session_id: Dimension | None = None
    user_id: Dimension | None = None
    order: Literal["asc", "desc"] = "desc"
    """By the time of the call: the newest (desc) or the oldest first."""
    limit: int = Field(default=100, ge=1, le=LARGEST_PAGE)
    """A page may hold fewer samples, even none, though more follow: see `next_cursor`."""
    cursor: Annotated[str, Field(max_length=CURSOR_CHARACTERS)] | None = None
    """The `next_cursor` of the page before, with the same filters and order."""
    include: Annotated[list[Literal["scores"]], Field(max_length=1)] = []
    """`scores`: with the scores of each sample."""

    @model_validator(mode="after")
    def _goes_forward(self) -> "StoredSamplesIn":
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("since must be before until")
        return self

    @property
    def wanted(self) -> Wanted:
        """The filters alone."""
        return Wanted(**{each.name: getattr(self, each.name) for each in fields(Wanted)})


class StoredScoreOut(BaseModel):
    """What one evaluator said; `value` is null where it failed, `passed` where no rule applies."""

    evaluator: str
    evaluator_version: str
    value: float | None
    passed: bool | None
    label: str
    explanation: str
    weight: float
    scored_at: datetime


class StoredSampleOut(BaseModel):
    """A sample as it was sent, masked by the app, and when it was received."""

    sample_id: UUID
    called_at: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    outcome: Literal["ok", "error"]
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
    received_at: datetime
    scores: list[StoredScoreOut] = []
    """Only where they were asked for."""


class StoredSamplesOut(BaseModel):
    """A page."""

    samples: list[StoredSampleOut]
    next_cursor: str | None
    """Give this as `cursor` to go on; null at the end."""


def describe_sample(
    sample: StoredSample, scores: Mapping[SampleKey, Sequence[StoredScore]] | None
) -> dict[str, Any]:
    """The sample as JSON knows it; `scores` of all samples, or None to leave them out."""
    described = sample.call._asdict() | {"received_at": sample.received_at}
    if scores is not None:
        described["scores"] = scores.get(sample.call.key, ())
    return described


def encode(described: object) -> bytes:
    """JSON; `pydantic` would look at every character of every prompt again."""
    return msgspec.json.encode(described)
