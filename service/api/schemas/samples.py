"""The JSON of `POST /v1/samples`, and how its items are read one by one.

A broken item costs only itself: it is answered with a JSON pointer and a reason, and the rest of
its batch is stored.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from service.domain.calls import Batch, CallCount, NewSample, Rejection, Slice
from service.errors import InvalidInputError

DIMENSION_BYTES = 200
"""Dimensions are part of index keys, which PostgreSQL limits to about 2,700 bytes in all."""
TEXT_CHARACTERS = 262_144
ATTRIBUTES = 64


Item = TypeVar("Item")


class InvalidBatchError(InvalidInputError):
    """The batch cannot be read."""


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL characters")
    return value


def _short(value: str) -> str:
    if len(value.encode()) > DIMENSION_BYTES:
        raise ValueError(f"must be at most {DIMENSION_BYTES} bytes long in UTF-8")
    return value


def _whole_minute(value: datetime) -> datetime:
    if value.second or value.microsecond:
        raise ValueError("must be on a whole minute")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a time that can be stored") from None


Dimension = Annotated[
    str,
    Field(max_length=DIMENSION_BYTES),
    AfterValidator(_storable),
    AfterValidator(_short),
]
Name = Annotated[Dimension, Field(min_length=1)]
Text = Annotated[str, Field(max_length=TEXT_CHARACTERS), AfterValidator(_storable)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Tokens = Annotated[int, Field(ge=0, le=10**12)]
Calls = Annotated[int, Field(ge=1, le=10**9)]
"""Of one item. A slice's sums are 64-bit integers: 10^9 full items of calls fit in one minute."""
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Attribute = Annotated[float, Field(allow_inf_nan=False)] | bool | Text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, use_attribute_docstrings=True)


class _Sliced(_Strict):
    environment: Name = "production"
    task: Name
    release: Dimension = ""
    model: Dimension = ""
    prompt_version: Dimension = ""
    outcome: Literal["ok", "error"] = "ok"


class SampleIn(_Sliced):
    """A call kept whole."""

    sample_id: UUID
    """With `called_at` the sample's identity: send it again with the same time, or it is taken for
    another sample. One batch must not hold the same id with two times."""
    called_at: Instant
    error_type: Dimension | None = None
    prompt: Text | None = None
    response: Text | None = None
    reference: Text | None = None
    latency_ms: Amount | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cost_usd: Amount | None = None
    finish_reason: Dimension | None = None
    session_id: Dimension | None = None
    user_id: Dimension | None = None
    keep_probability: Annotated[float, Field(gt=1e-6, le=1, allow_inf_nan=False)]
    """With which probability the app kept this call. Required: it is never assumed to be 1."""
    attributes: Annotated[dict[Name, Attribute], Field(max_length=ATTRIBUTES)] = {}


class CallCountIn(_Sliced):
    """How many calls there were in one minute of one slice, kept or not."""

    minute: Annotated[Instant, AfterValidator(_whole_minute)]
    calls: Calls
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cost_usd: Amount = 0.0


class BatchIn(_Strict):
    """One post. The same `batch_id` posted again stores nothing twice."""

    batch_id: UUID
    app: str | None = None
    """Optional; if given, it must be the app of the key."""
    samples: list[SampleIn]
    call_counts: list[CallCountIn]
    """Every call, kept or not. Empty: nothing is known of availability."""


class RejectionOut(BaseModel):
    """Why an item was not taken."""

    model_config = ConfigDict(from_attributes=True)

    pointer: str
    reason: str


class ReceiptOut(BaseModel):
    """What became of a batch."""

    model_config = ConfigDict(from_attributes=True)

    batch_id: UUID
    accepted: int
    duplicate: int
    rejected: int
    counts_accepted: int
    counts_rejected: int
    rejections: list[RejectionOut]


class _Envelope(_Strict):
    batch_id: UUID
    app: str | None = None
    samples: list[Any]
    call_counts: list[Any]


_ENVELOPE = TypeAdapter(_Envelope)
_SAMPLE = TypeAdapter(SampleIn)
_CALL_COUNT = TypeAdapter(CallCountIn)


def parse_batch(body: bytes, *, max_items: int) -> Batch:
    """Read a posted batch.

    Raises:
        InvalidBatchError: The body as a whole is not a batch. A broken item is no such case.
    """
    try:
        envelope = _ENVELOPE.validate_python(_load_json(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidBatchError(f"{_pointer('', first['loc'])}: {first['msg']}") from None
    for name, items in (("samples", envelope.samples), ("call_counts", envelope.call_counts)):
        if len(items) > max_items:
            raise InvalidBatchError(
                f"/{name}: has {len(items)} items, at most {max_items} are allowed in a batch; "
                "send several batches"
            )
    rejections: list[Rejection] = []
    return Batch(
        batch_id=envelope.batch_id,
        app=envelope.app,
        samples=_read(envelope.samples, "/samples", _sample, rejections),
        counts=_read(envelope.call_counts, "/call_counts", _call_count, rejections),
        rejections=tuple(rejections),
    )


def _load_json(body: bytes) -> Any:
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError:
        raise InvalidBatchError("The body is not UTF-8") from None
    except RecursionError:
        raise InvalidBatchError("The body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InvalidBatchError(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError:  # an integer of more digits than Python converts
        raise InvalidBatchError("The body holds a number that is too long") from None


def _read(
    items: list[Any],
    pointer: str,
    read: Callable[[Any], Item],
    rejections: list[Rejection],
) -> dict[int, Item]:
    taken = {}
    for index, item in enumerate(items):
        try:
            taken[index] = read(item)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            rejections.append(Rejection(_pointer(f"{pointer}/{index}", first["loc"]), first["msg"]))
    return taken


def _sample(item: Any) -> NewSample:
    return NewSample(**dict(_SAMPLE.validate_python(item)))


def _call_count(item: Any) -> CallCount:
    read = dict(_CALL_COUNT.validate_python(item))
    return CallCount(Slice(**{name: read.pop(name) for name in Slice._fields}), **read)


def _pointer(prefix: str, location: tuple[int | str, ...]) -> str:
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "/".join((prefix, *escaped))
