"""Samples in PostgreSQL's binary COPY format.

The driver would turn each value of each row into bytes by itself, which takes three times as long:
with 23 columns that is the largest part of taking a sample in. The format:
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from struct import Struct
from typing import Any

import msgspec

from service.domain.calls import NewSample

COLUMNS = ("app_id", "received_at", *NewSample._fields)

_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_JSONB_VERSION = b"\x01"
_count = Struct("!h").pack
_length = Struct("!i").pack
_integer = Struct("!iq").pack  # each value follows its length in bytes
_double = Struct("!id").pack
_identity = Struct("!i16siq").pack
_measures = Struct("!idiqiqid").pack
_json = msgspec.json.Encoder().encode
_NO_IDENTIFIERS = (None, None, None)
_NOBODY = _NULL * 3
_NO_ATTRIBUTES = _length(3) + _JSONB_VERSION + b"{}"


def encode_samples(app_id: int, received_at: datetime, new: Iterable[NewSample]) -> bytes:
    """The whole input of `COPY samples (COLUMNS) FROM STDIN (FORMAT BINARY)`."""
    parts = [_HEAD]
    add = parts.append
    begin = _count(len(COLUMNS)) + _integer(8, app_id) + _integer(8, micros_since_2000(received_at))
    words: dict[tuple[str | None, ...], bytes] = {}  # nearly all samples share them
    for sample in new:
        add(begin)
        add(_identity(16, sample[0].bytes, 8, micros_since_2000(sample[1])))
        shared = sample[2:9]
        add(words.get(shared) or words.setdefault(shared, _encode_texts(shared)))
        for text in sample[9:12]:
            if text is None:
                add(_NULL)
            else:
                encoded = text.encode()
                add(_length(len(encoded)))
                add(encoded)
        latency_ms, input_tokens, output_tokens, cost_usd = measures = sample[12:16]
        if None in measures:
            add(_encode_measures(*measures))
        else:
            add(_measures(8, latency_ms, 8, input_tokens, 8, output_tokens, 8, cost_usd))
        identifiers = sample[16:19]
        add(_NOBODY if identifiers == _NO_IDENTIFIERS else _encode_texts(identifiers))
        add(_double(8, sample[19]))
        attributes = sample[20]
        add(_encode_attributes(attributes) if attributes else _NO_ATTRIBUTES)
    add(_END)
    return b"".join(parts)


def _encode_texts(texts: Iterable[str | None]) -> bytes:
    encoded = [None if text is None else text.encode() for text in texts]
    return b"".join(_NULL if text is None else _length(len(text)) + text for text in encoded)


def _encode_measures(
    latency_ms: float | None,
    input_tokens: int | None,
    output_tokens: int | None,
    cost_usd: float | None,
) -> bytes:
    return b"".join(
        (
            _NULL if latency_ms is None else _double(8, latency_ms),
            _NULL if input_tokens is None else _integer(8, input_tokens),
            _NULL if output_tokens is None else _integer(8, output_tokens),
            _NULL if cost_usd is None else _double(8, cost_usd),
        )
    )


def _encode_attributes(attributes: Mapping[str, Any]) -> bytes:
    document = _JSONB_VERSION + _json(attributes)
    return _length(len(document)) + document


def micros_since_2000(instant: datetime) -> int:
    """How PostgreSQL counts time."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
