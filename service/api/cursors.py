"""Cursors of `GET /v1/samples`: where the page before ended, and what it was a page of.

A cursor gives no right to anything: the key alone says whose samples are read. Its checksum is for
accidents: one cut short, or used with other filters, would silently skip samples.
"""

import base64
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zlib import crc32

from service.domain.calls import SampleKey
from service.errors import InvalidInputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORM = struct.Struct(">q16sI")


class InvalidCursorError(InvalidInputError):
    """This cursor leads nowhere."""


def write_cursor(place: SampleKey, *, query: str) -> str:
    """The cursor of a page that ends at `place`; `query` is all that its order depends on."""
    called_at, sample_id = place
    at = (called_at - _EPOCH) // _MICROSECOND
    packed = _FORM.pack(at, sample_id.bytes, _checksum(at, sample_id.bytes, query))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(cursor: str, *, query: str) -> SampleKey:
    """Where to go on.

    Raises:
        InvalidCursorError: It is none of ours, or it belongs to another query.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        at, sample_id, checksum = _FORM.unpack(base64.b64decode(padded, b"-_", validate=True))
        called_at = _EPOCH + at * _MICROSECOND
    except (ValueError, OverflowError, struct.error):
        raise InvalidCursorError(
            "The cursor is not one that this API gave: pass next_cursor on as it is, whole"
        ) from None
    if checksum != _checksum(at, sample_id, query):
        raise InvalidCursorError(
            "The cursor belongs to another query: keep filters and order as they were when it "
            "was given, or begin without a cursor"
        )
    return called_at, UUID(bytes=sample_id)


def _checksum(at: int, sample_id: bytes, query: str) -> int:
    return crc32(b"%d/%b/%b" % (at, sample_id, query.encode("utf-8", "surrogatepass")))
