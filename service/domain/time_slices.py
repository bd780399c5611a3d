"""Time slices of a window in which calls are to be expected: an empty one is a gap."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

SLICES_PER_WINDOW = 12
"""A slice is a twelfth of its window, as the SRE Workbook's short window is of the long one."""

GAPS_PER_SLICE = 7.0
"""... but at least this many mean gaps between calls: exp(-7) = 0.0009 of slices are empty by
chance then, where calls come at random (Poisson)."""


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a window is cut: `count` slices of `length`, backwards from its end."""

    end: datetime
    length: timedelta
    count: int

    def expected(self, first_call_at: datetime | None) -> int:
        """Slices that should hold calls: those since the first call ever."""
        if first_call_at is None:
            return 0
        return min(self.count, math.floor((self.end - first_call_at) / self.length))


def cut_window(length: timedelta, *, end: datetime, calls: int, per: timedelta) -> Slicing | None:
    """The slices of a window, by the app's usual traffic; None where that is too thin for any.

    >>> end = datetime(2026, 11, 23)
    >>> day = timedelta(days=1)
    >>> cut_window(timedelta(hours=1), end=end, calls=100_000, per=day).count
    12
    >>> cut_window(timedelta(hours=12), end=end, calls=24 * 7, per=day).count
    12
    >>> cut_window(timedelta(hours=1), end=end, calls=24, per=day) is None
    True
    """
    if not calls:
        return None
    slice_length = max(length / SLICES_PER_WINDOW, GAPS_PER_SLICE * per / calls)
    if slice_length > length:
        return None
    return Slicing(end, slice_length, math.floor(length / slice_length + 1e-9))
