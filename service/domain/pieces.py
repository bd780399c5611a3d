"""Stretches of time, cut into what counts are kept by: minutes, hours and days."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


Stretch = tuple[datetime, datetime]
"""From one instant to another, without the latter."""


class Piece(NamedTuple):
    """A part of a stretch that is whole in steps of `span` hours; 0 are minutes."""

    span: int
    start: datetime
    end: datetime


def cut_into_pieces(start: datetime, end: datetime) -> Iterator[Piece]:
    """Whole days, whole hours beside them, and the minutes that are left at both ends.

    >>> at = datetime(2026, 11, 23, tzinfo=UTC)
    >>> pieces = cut_into_pieces(at + timedelta(minutes=1430), at + timedelta(minutes=2950))
    >>> [(piece.span, str(piece.end - piece.start)) for piece in pieces]
    [(0, '0:10:00'), (24, '1 day, 0:00:00'), (1, '1:00:00'), (0, '0:10:00')]
    """
    for middle in _around(start, end, DAY):
        if middle.span:
            yield Piece(24, middle.start, middle.end)
        else:
            for inner in _around(middle.start, middle.end, HOUR):
                yield Piece(1 if inner.span else 0, inner.start, inner.end)


def _around(start: datetime, end: datetime, step: timedelta) -> Iterator[Piece]:
    """What lies before the first whole step, the whole steps (as span 1), and what is left."""
    first, last = (
        -(-(start - _EPOCH) // step) * step + _EPOCH,
        (end - _EPOCH) // step * step + _EPOCH,
    )
    if first >= last:
        yield Piece(0, start, end)
        return
    for span, begin, until in ((0, start, first), (1, first, last), (0, last, end)):
        if begin < until:
            yield Piece(span, begin, until)


def subtract(start: datetime, end: datetime, excluded: Iterable[Stretch]) -> list[Stretch]:
    """What is left of [start, end) without the excluded stretches.

    >>> at = datetime(2026, 11, 23, tzinfo=UTC)
    >>> left = subtract(at, at + DAY, [(at + HOUR, at + 2 * HOUR)])
    >>> [str(until - begin) for begin, until in left]
    ['1:00:00', '22:00:00']
    """
    left = []
    for out_start, out_end in sorted(excluded):
        if out_end <= start or out_start >= end:
            continue
        if out_start > start:
            left.append((start, out_start))
        start = out_end
    return [*left, (start, end)] if start < end else left
