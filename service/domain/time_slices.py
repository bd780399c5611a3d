"""When calls were to be expected: what tells a gap, and silence, from a quiet hour.

The usual traffic is that of a week earlier, which knows nights and weekends; for a stream that is
younger than that, its own mean rate since its first call.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

SLICES_PER_WINDOW = 12
"""A slice is a twelfth of its window, as the SRE Workbook's short window is of the long one."""

CALLS_EXPECTED = 7.0
"""A slice with this many calls usually is empty by chance with probability exp(-7) = 0.0009,
where calls come at random (Poisson)."""

LATENESS = timedelta(minutes=1)
"""How late counts may come in without being missed: apps post theirs every few seconds."""

WEEK = timedelta(days=7)
_MINUTE = timedelta(minutes=1)


def floor_minute(instant: datetime) -> datetime:
    """The minute that this instant is in: what counts are kept by."""
    return instant.replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a window is cut: `count` slices of whole minutes, numbered backwards from `end`."""

    end: datetime
    length: timedelta
    count: int

    @property
    def start(self) -> datetime:
        """Where the oldest slice begins."""
        return self.end - self.count * self.length

    def begin_of(self, number: int) -> datetime:
        """When a slice begins."""
        return self.end - (number + 1) * self.length


def cut_window(length: timedelta, *, now: datetime) -> Slicing:
    """The slices of the window that ends now, without the minutes that may still come in.

    >>> now = datetime(2026, 11, 23, 12, 0, 25)
    >>> cut = cut_window(timedelta(minutes=5), now=now)
    >>> cut.count, str(cut.length), cut.end.isoformat()
    (4, '0:01:00', '2026-11-23T11:59:00')
    >>> cut_window(timedelta(hours=24), now=now).count
    11
    """
    slice_length = math.ceil(length / SLICES_PER_WINDOW / _MINUTE) * _MINUTE
    end = floor_minute(now) - LATENESS
    return Slicing(end, slice_length, math.floor((length - LATENESS) / slice_length))


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is known of a stream's calls: the first and the newest one, and their mean rate."""

    first_at: datetime
    newest_at: datetime
    calls_per_s: float

    def usual(self, start: datetime, length: timedelta, week_earlier: float) -> float:
        """How many calls were to be expected in [start, start + length).

        `week_earlier`: how many there were seven days before.
        """
        if start - WEEK >= self.first_at:
            return week_earlier
        if start < self.first_at:
            return 0.0
        return self.calls_per_s * length.total_seconds()


def expect_slices(
    slicing: Slicing, traffic: Traffic, week_earlier: Mapping[int, float]
) -> frozenset[int]:
    """The slices that should hold calls.

    >>> at = datetime(2026, 11, 23, 12)
    >>> busy = Traffic(first_at=at - timedelta(days=30), newest_at=at, calls_per_s=1.0)
    >>> slicing = cut_window(timedelta(hours=1), now=at)
    >>> sorted(expect_slices(slicing, busy, {0: 300, 1: 6, 2: 8}))
    [0, 2]
    """
    return frozenset(
        number
        for number in range(slicing.count)
        if traffic.usual(slicing.begin_of(number), slicing.length, week_earlier.get(number, 0.0))
        >= CALLS_EXPECTED
    )
