"""From when to when a stream's reference reaches: its first days, as many as it takes."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from service.domain.drift.reference import MINIMUM_ROWS

_DAY = timedelta(days=1)


def end_of_reference(
    called_ats: Sequence[datetime],
    *,
    now: datetime,
    minimum_days: int,
    minimum_rows: int = MINIMUM_ROWS,
) -> datetime | None:
    """The end (exclusive) of the shortest window of whole days that is enough; None: not yet.

    `called_ats`: in order, the first `minimum_rows` of them will do. The window begins with the
    first call. Its end depends on the calls alone, not on when somebody
    looks, so that a log replayed in one go gets the reference that it would have had in life.

    >>> start = datetime(2026, 11, 1)
    >>> hourly = [start + timedelta(hours=n) for n in range(24 * 60)]
    >>> end = end_of_reference(hourly, now=datetime(2027, 1, 1), minimum_days=7)
    >>> (end - start).days  # 1000 hours are 41 days and 16 hours
    42
    """
    if len(called_ats) < minimum_rows:
        return None
    start, last_needed = called_ats[0], called_ats[minimum_rows - 1]
    days = max(minimum_days, math.floor((last_needed - start) / _DAY) + 1)
    end = start + days * _DAY
    return end if end <= now else None
