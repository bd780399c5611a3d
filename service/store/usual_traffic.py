"""What an SLO's indicator usually sees: how much in an hour, how bad, and what it is worth."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from service.domain.slos import Slo
from service.store.measured import Measured
from service.store.readings import read_tally

USUAL = timedelta(weeks=4)
"""Whole weeks, so that each weekday counts alike."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class UsualTraffic:
    """How many calls, scores or time slices an hour counts, and what is usually bad of them, 0-1.

    bad_ratio:        None: not known.
    effective_share:  effective size / number of what is counted, 0-1.
    """

    counted_per_hour: float
    bad_ratio: float | None
    effective_share: float = 1.0


def read_usual_traffic(
    connection: Connection, slo: Slo, measured: Measured, *, now: datetime
) -> UsualTraffic | None:
    """Of the last four weeks, or since the first call where there were fewer; None: none yet.

    A composite counts nothing of its own. Of time slices only the number is told.
    """
    if slo.indicator.kind == "composite":
        return None
    since = now - USUAL
    first = connection.scalar(select(func.min(measured.minute)).where(*measured.within(since, now)))
    if first is None:
        return None
    if slo.budgeting.slice_length is not None:
        return UsualTraffic(_HOUR / slo.budgeting.slice_length, None)
    tally = read_tally(connection, measured, since, now)
    if tally.bad_ratio is None:
        return None
    hours = max((now - first) / _HOUR, 1.0)
    return UsualTraffic(tally.n / hours, tally.bad_ratio, min(1.0, tally.effective_n / tally.n))
