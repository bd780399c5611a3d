"""The items of a posted batch, as they stand in its JSON.

msgspec decodes them straight into these types, at a fraction of what any validation in Python
would cost. Their fields are in the order of the domain's, so that a value of one becomes a value of
the other in one step; a test holds the orders equal.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from service.api.schemas.words import DIMENSION_BYTES

ATTRIBUTES = 64
_INTEGERS = 2**63 - 1

Dimension = Annotated[str, Meta(max_length=DIMENSION_BYTES)]
Name = Annotated[str, Meta(min_length=1, max_length=DIMENSION_BYTES)]
Instant = Annotated[datetime, Meta(tz=True)]
Tokens = Annotated[int, Meta(ge=0, le=10**12)]
Calls = Annotated[int, Meta(ge=1, le=10**9)]
"""Of one item. A slice's sums are 64-bit integers: 10^9 full items of calls fit in one minute."""
Amount = Annotated[float, Meta(ge=0, le=1e15)]
Total = Annotated[int, Meta(ge=0, le=_INTEGERS)]
Reasons = Annotated[dict[Name, Total], Meta(max_length=100)]
Value = float | bool | str
Outcome = Literal["ok", "error"]


class SampleIn(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A call kept whole.

    With `called_at`, `sample_id` is the sample's identity: send it again with the same time, or it
    is taken for another sample. One batch must not hold the same id with two times.
    """

    sample_id: UUID
    called_at: Instant
    environment: Name = "production"
    task: Name
    release: Dimension = ""
    model: Dimension = ""
    prompt_version: Dimension = ""
    outcome: Outcome = "ok"
    error_type: Dimension | None = None
    prompt: str | None = None
    response: str | None = None
    reference: str | None = None
    latency_ms: Amount | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cost_usd: Amount | None = None
    finish_reason: Dimension | None = None
    session_id: Dimension | None = None
    user_id: Dimension | None = None
    keep_probability: Annotated[
        float,
        Meta(
            gt=1e-6,
            le=1,
            description="With which probability the app kept this call. Required: it is never "
            "assumed to be 1.",
        ),
    ]
    attributes: Annotated[dict[Name, Value], Meta(max_length=ATTRIBUTES)] = {}


class CallCountIn(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """How many calls there were in one minute of one slice, kept or not."""

    minute: Instant
    environment: Name = "production"
    task: Name
    release: Dimension = ""
    model: Dimension = ""
    prompt_version: Dimension = ""
    outcome: Outcome = "ok"
    calls: Calls
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cost_usd: Amount = 0.0
    latency_counts: Annotated[
        dict[str, Calls],
        Meta(
            description="Calls by latency: the upper edge of the bucket in milliseconds, or `inf`."
        ),
    ] = {}


class SignalIn(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """What a user did with an answer. It may come before its sample, or long after."""

    signal_id: UUID
    signalled_at: Instant
    sample_id: UUID
    environment: Name = "production"
    task: Dimension = ""
    kind: Name
    value: Value | None = None
    session_id: Dimension | None = None
    user_id: Dimension | None = None


class LedgerIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Where every call of an instance went, before this batch is answered."""

    produced: Total
    stored: Total
    sampled_out: Total
    queued: Total
    dropped: Reasons = {}
    counted: Total
    uncounted: Reasons = {}


class InstanceIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Who sends: one client in one process."""

    instance_id: UUID
    started_at: Instant
    sequence: Annotated[int, Meta(ge=1, le=_INTEGERS)]
    environment: Dimension = ""
    release: Dimension = ""
    sdk: Dimension = ""
    ledger: LedgerIn
