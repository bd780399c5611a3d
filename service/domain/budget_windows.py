"""What an error budget is for: a rolling stretch of time, or days, weeks, months of a calendar."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.domain.time_slices import floor_minute
from service.errors import InvalidInputError

CalendarUnit = Literal["day", "week", "month", "quarter", "year"]

NOMINAL: dict[CalendarUnit, timedelta] = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "quarter": timedelta(days=91),
    "year": timedelta(days=365),
}
"""What alert windows are derived from: a budget that is a little longer in March than in February
would move every threshold with the months."""
_MONTHS: dict[CalendarUnit, int] = {"month": 1, "quarter": 3, "year": 12}


class UnknownTimeZoneError(InvalidInputError):
    """There is no such time zone."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """A budget that begins anew with each `count` units, at midnight of a time zone.

    Periods are counted from `since`, OpenSLO's start time; months, quarters and years from the
    first of their month, weeks from its week's Monday.
    """

    unit: CalendarUnit
    count: int
    zone: str
    since: datetime

    @property
    def nominal(self) -> timedelta:
        """How long a period is about."""
        return self.count * NOMINAL[self.unit]

    def start(self, now: datetime) -> datetime:
        """When the period began that `now` is in.

        >>> from datetime import UTC
        >>> month = Calendar("month", 1, "Europe/Vienna", datetime(2026, 1, 1, tzinfo=UTC))
        >>> month.start(datetime(2026, 11, 23, 12, tzinfo=UTC)).isoformat()
        '2026-11-01T00:00:00+01:00'
        """
        zone = find_zone(self.zone)
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        first = self.since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.unit in _MONTHS:
            step = self.count * _MONTHS[self.unit]
            months = (today.year - first.year) * 12 + today.month - first.month
            number = first.month - 1 + months // step * step
            return today.replace(year=first.year + number // 12, month=number % 12 + 1, day=1)
        if self.unit == "week":
            first -= timedelta(days=first.weekday())
        days = self.count * NOMINAL[self.unit].days
        # Of dates, not of instants: a day of the calendar may have 23 or 25 hours.
        passed = (today.date() - first.date()).days // days * days
        return _midnight(first, passed, zone)


def _midnight(first: datetime, days: int, zone: tzinfo) -> datetime:
    return (first.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone)


def start_of_budget(now: datetime, length: timedelta, calendar: Calendar | None) -> datetime:
    """Since when calls count for the budget that holds `now`."""
    return floor_minute(now) - length if calendar is None else calendar.start(now)


def find_zone(name: str) -> ZoneInfo:
    """The time zone of this name.

    Raises:
        UnknownTimeZoneError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise UnknownTimeZoneError(
            f"no time zone {name!r}; allowed: a name like UTC or Europe/Vienna"
        ) from None
