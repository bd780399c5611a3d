"""From when to when a stream's reference reaches: its first days, as many as it takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.drift.reference import MINIMUM_ROWS, InsufficientReference

_DAY = timedelta(days=1)

LATE_BY = timedelta(hours=1)
"""How late a call may arrive, in the time of the calls, and still belong to the reference: batches
leave within seconds, but wait out a restart or a broken network, and processes are not in step."""


@dataclass(frozen=True, slots=True)
class ReferenceWindow:
    """Calls in [start, end)."""

    start: datetime
    end: datetime

    @property
    def is_seen_whole_at(self) -> datetime:
        """A stream that has got to a call of this time has left the window behind."""
        return self.end + LATE_BY


def plan_window(
    called_ats: Sequence[datetime], *, minimum_days: int, minimum_rows: int = MINIMUM_ROWS
) -> ReferenceWindow | None:
    """The shortest window of whole days that is enough; None: too few calls yet.

    `called_ats`: in order, the first `minimum_rows` of them will do. The window begins with the
    first call. Its end depends on the calls alone, not on when somebody
    looks, so that a log replayed in one go gets the reference that it would have had in life.

    >>> start = datetime(2026, 11, 1)
    >>> hourly = [start + timedelta(hours=n) for n in range(24 * 60)]
    >>> window = plan_window(hourly, minimum_days=7)
    >>> (window.end - window.start).days  # 1000 hours are 41 days and 16 hours
    42
    """
    if len(called_ats) < minimum_rows:
        return None
    start, last_needed = called_ats[0], called_ats[minimum_rows - 1]
    days = max(minimum_days, math.floor((last_needed - start) / _DAY) + 1)
    return ReferenceWindow(start, start + days * _DAY)


def warming_up(
    called_ats: Sequence[datetime],
    window: ReferenceWindow | None,
    *,
    now: datetime,
    minimum_days: int,
    waits_for: str = "",
) -> InsufficientReference:
    """How far a stream without a reference has come, in rows and in days.

    >>> start = datetime(2026, 11, 1)
    >>> warming_up([start], None, now=datetime(2026, 11, 3, 12), minimum_days=7).progress("answers")
    '1 of 1000 answers, day 3 of 7'
    """
    days = minimum_days if window is None else (window.end - window.start) // _DAY
    lived = (now - called_ats[0]) // _DAY + 1 if called_ats else 0
    return InsufficientReference(
        rows=len(called_ats), day=min(lived, days), days=days, waits_for=waits_for
    )
