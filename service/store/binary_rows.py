"""Samples in PostgreSQL's binary COPY format.

The driver would turn each value of each row into bytes by itself, which takes three times as long:
with 23 columns that is the largest part of taking a sample in. The format:
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from struct import Struct

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
_integer = Struct("!iq").pack  # its length, and its 8 bytes
_double = Struct("!id").pack
_uuid_length = _length(16)
_json = msgspec.json.Encoder().encode


def encode_samples(app_id: int, received_at: datetime, new: Iterable[NewSample]) -> bytes:
    """The whole input of `COPY samples (COLUMNS) FROM STDIN (FORMAT BINARY)`."""
    parts = [_HEAD]
    add = parts.append
    begin = _count(len(COLUMNS)) + _integer(8, app_id) + _integer(8, _micros(received_at))
    for sample in new:
        (sample_id, called_at, *words), numbers, ending = sample[:12], sample[12:16], sample[16:]
        add(begin + _uuid_length + sample_id.bytes + _integer(8, _micros(called_at)))
        _add_texts(parts, words)
        latency_ms, input_tokens, output_tokens, cost_usd = numbers
        add(_NULL if latency_ms is None else _double(8, latency_ms))
        add(_NULL if input_tokens is None else _integer(8, input_tokens))
        add(_NULL if output_tokens is None else _integer(8, output_tokens))
        add(_NULL if cost_usd is None else _double(8, cost_usd))
        *identifiers, keep_probability, attributes = ending
        _add_texts(parts, identifiers)
        add(_double(8, keep_probability))
        document = _JSONB_VERSION + _json(attributes)
        add(_length(len(document)))
        add(document)
    add(_END)
    return b"".join(parts)


def _add_texts(parts: list[bytes], texts: Iterable[str | None]) -> None:
    add = parts.append
    for text in texts:
        if text is None:
            add(_NULL)
        else:
            encoded = text.encode()
            add(_length(len(encoded)))
            add(encoded)


def _micros(instant: datetime) -> int:
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
