"""The wire format of protocol buffers, walked without taking a message apart.

A parser builds all of a request at once: ten million empty spans are 20 MB on the wire, and some
gigabytes as objects. Walking hands out one span at a time; and one that is broken is only that one.
Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_DEEPEST = 100
"""Parsers refuse messages that nest deeper."""
Shape: TypeAlias = Mapping[int, "Shape"]
"""Which fields of a message, by their numbers, are messages, and of which shape."""
NOTHING_INSIDE: Shape = {}


class TornMessageError(ValueError):
    """This is not the wire format."""


def walk(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each field that is a message, text or bytes, in order.

    >>> [(number, bytes(held)) for number, held in walk(memoryview(b"\\x08\\x01\\x12\\x02hi"))]
    [(2, b'hi')]
    """
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _BYTES:
            size, position = _varint(message, position)
            if size > end - position:
                raise TornMessageError
            yield tag >> 3, message[position : position + size]
            position += size
        elif kind == _VARINT:
            _, position = _varint(message, position)
        elif kind in (_FIXED_64, _FIXED_32):
            position += 8 if kind == _FIXED_64 else 4
        else:
            raise TornMessageError
    if position > end:
        raise TornMessageError


def count_fields(message: memoryview, shape: Shape, *, most: int, depth: int = 0) -> int:
    """How many messages, texts and bytes a message holds: itself, and in those that `shape` names.

    It stops counting beyond `most`.
    """
    count = 0
    try:
        for number, held in walk(message):
            count += 1
            if number in shape and depth < _DEEPEST:
                count += count_fields(held, shape[number], most=most - count, depth=depth + 1)
            if count > most:
                break
    except TornMessageError:
        pass  # no parser gets further either
    return count


def parts(message: memoryview, number: int) -> Iterator[memoryview]:
    """The fields of that number."""
    return (held for found, held in walk(message) if found == number)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(message[position : position + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, position + index + 1
    raise TornMessageError
