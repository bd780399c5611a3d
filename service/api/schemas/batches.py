"""The JSON of `POST /v1/samples` and `POST /v1/signals`, read in one step or item by item.

Most batches are faultless: they are decoded in one step. Only where that fails are the items read
one by one, so that a broken one costs only itself and is answered with a pointer and a reason.
"""

from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from service.api.schemas.careful import (
    InvalidBatchError,
    load_json,
    read_envelope,
    read_item,
    read_items,
)
from service.api.schemas.conversion import Reading, UnstorableTextError
from service.api.schemas.items import CallCountIn, InstanceIn, SampleIn, SignalIn
from service.api.schemas.words import TEXT_CHARACTERS
from service.domain.calls import Batch

Item = TypeVar("Item")
_BACKSLASH = b"\\"


class BatchIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One post. The same `batch_id` posted again stores nothing twice."""

    batch_id: UUID
    app: str | None = None
    instance: InstanceIn | None = None
    samples: list[SampleIn]
    call_counts: list[CallCountIn]
    signals: list[SignalIn] = []


class SignalBatchIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Signals alone. The same `batch_id` posted again stores nothing twice."""

    batch_id: UUID
    app: str | None = None
    signals: list[SignalIn]


class _Envelope(Struct, forbid_unknown_fields=True, kw_only=True):
    batch_id: UUID
    app: str | None = None
    instance: Any = None
    samples: list[Any]
    call_counts: list[Any]
    signals: list[Any] = []


class _SignalEnvelope(Struct, forbid_unknown_fields=True, kw_only=True):
    batch_id: UUID
    app: str | None = None
    signals: list[Any]


_BATCH = msgspec.json.Decoder(BatchIn)
_SIGNALS = msgspec.json.Decoder(SignalBatchIn)


def read_batch_at_once(body: bytes, *, max_items: int) -> Batch | None:
    """A posted batch; None where it has to be read carefully."""
    posted = _decode(body, _BATCH)
    if posted is None:
        return None
    _limit(posted, max_items)
    try:
        return _batch_of(
            posted,
            posted.instance,
            dict(enumerate(posted.samples)),
            dict(enumerate(posted.call_counts)),
            dict(enumerate(posted.signals)),
            _reading_of(body),
        )
    except UnstorableTextError:
        return None


def read_batch_carefully(body: bytes, *, max_items: int) -> Batch:
    """A posted batch, whatever is in it.

    Raises:
        InvalidBatchError: The body as a whole is not a batch. A broken item is no such case.
    """
    envelope = read_envelope(load_json(body), _Envelope)
    _limit(envelope, max_items)
    reading = Reading(holds_odd=True, holds_long=True)
    refused = reading.rejections
    who = envelope.instance
    return _batch_of(
        envelope,
        None if who is None else read_item(who, InstanceIn, "/instance", refused),
        read_items(envelope.samples, SampleIn, "/samples", refused),
        read_items(envelope.call_counts, CallCountIn, "/call_counts", refused),
        read_items(envelope.signals, SignalIn, "/signals", refused),
        reading,
    )


def read_signals_at_once(body: bytes, *, max_items: int) -> Batch | None:
    """Posted signals; None where they have to be read carefully."""
    posted = _decode(body, _SIGNALS)
    if posted is None:
        return None
    _limit(posted, max_items)
    try:
        return _batch_of(posted, None, {}, {}, dict(enumerate(posted.signals)), _reading_of(body))
    except UnstorableTextError:
        return None


def read_signals_carefully(body: bytes, *, max_items: int) -> Batch:
    """Posted signals, whatever is in them.

    Raises:
        InvalidBatchError: The body as a whole is not a batch. A broken item is no such case.
    """
    envelope = read_envelope(load_json(body), _SignalEnvelope)
    _limit(envelope, max_items)
    reading = Reading(holds_odd=True, holds_long=True)
    signals = read_items(envelope.signals, SignalIn, "/signals", reading.rejections)
    return _batch_of(envelope, None, {}, {}, signals, reading)


def _decode(body: bytes, decoder: "msgspec.json.Decoder[Item]") -> Item | None:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _reading_of(body: bytes) -> Reading:
    # Without a backslash there is no escape, and so neither NUL nor, in ASCII, a wide character.
    holds_odd = not body.isascii() or _BACKSLASH in body
    return Reading(holds_odd=holds_odd, holds_long=len(body) > TEXT_CHARACTERS)


def _limit(posted: Struct, max_items: int) -> None:
    for name in ("samples", "call_counts", "signals"):
        count = len(getattr(posted, name, ()))
        if count > max_items:
            raise InvalidBatchError(
                f"/{name}: has {count} items, at most {max_items} are allowed in a batch; "
                "send several batches"
            )


def _batch_of(
    envelope: BatchIn | SignalBatchIn | _Envelope | _SignalEnvelope,
    instance: InstanceIn | None,
    samples: dict[int, SampleIn],
    counts: dict[int, CallCountIn],
    signals: dict[int, SignalIn],
    reading: Reading,
) -> Batch:
    return Batch(
        batch_id=envelope.batch_id,
        app=envelope.app,
        instance=None if instance is None else reading.instance(instance),
        samples=reading.samples(samples),
        counts=reading.counts(counts),
        signals=reading.signals(signals),
        rejections=tuple(reading.rejections),
        truncations=tuple(reading.truncations),
    )
