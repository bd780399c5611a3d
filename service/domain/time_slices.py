"""How a window is cut into the slices that tell a gap from a quiet hour."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

SLICES_PER_WINDOW = 12
"""A slice is a twelfth of its window, as the SRE Workbook's short window is of the long one."""

CALLS_EXPECTED = 7.0
"""A slice with this many calls usually is empty by chance with probability exp(-7) = 0.0009,
where calls come at random (Poisson)."""

LATENESS = timedelta(minutes=1)
"""How late counts may come in without being missed: apps post theirs every few seconds."""

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
