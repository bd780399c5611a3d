"""When people write: more by day than by night, more on weekdays than at the weekend."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

# Shares of the mean, by the hour (UTC). The least of them, at the weekend, is about half the mean:
# less would leave gaps that Watchkeeper rightly does not judge across.
HOURS = (
    *(0.65, 0.6, 0.6, 0.6, 0.65, 0.7, 0.8, 0.95, 1.15, 1.35, 1.4, 1.4),
    *(1.3, 1.35, 1.4, 1.35, 1.3, 1.25, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7),
)
WEEKDAYS = (1.1, 1.1, 1.05, 1.05, 1.0, 0.85, 0.85)
_HOUR = timedelta(hours=1)
_MEAN = sum(HOURS) / len(HOURS) * sum(WEEKDAYS) / len(WEEKDAYS)


def share_of_mean(hour: datetime) -> float:
    """How the traffic of an hour compares with that of the week.

    >>> tuesday_noon, sunday_night = datetime(2026, 11, 24, 12), datetime(2026, 11, 22, 2)
    >>> round(share_of_mean(tuesday_noon), 2), round(share_of_mean(sunday_night), 2)
    (1.4, 0.5)
    """
    return HOURS[hour.hour] * WEEKDAYS[hour.weekday()] / _MEAN


def call_times(start: datetime, end: datetime, per_hour: float, rng: Random) -> Iterator[datetime]:
    """Times of calls in [start, end), in order: `per_hour` of them on average.

    They keep some distance, as customers of a support team do who wait for their turn: no gap is
    longer than one and a half times the usual one of its hour.
    """
    next_call, number, passed = rng.uniform(0.25, 0.75), 0, 0.0
    while start < end:
        stop = min(end, start.replace(minute=0, second=0, microsecond=0) + _HOUR)
        expected = per_hour * share_of_mean(start) * ((stop - start) / _HOUR)
        while next_call < passed + expected:
            yield start + (stop - start) * ((next_call - passed) / expected)
            number += 1
            next_call = number + rng.uniform(0.25, 0.75)
        passed += expected
        start = stop
