"""Weeks by ISO 8601, in UTC: Monday 00:00 to the next, written 2026-W47."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.errors import InvalidInputError

WEEK = timedelta(days=7)
EARLIEST_YEAR = 1970
_SPELLING = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


class InvalidWeekError(InvalidInputError):
    """This is not a week that can be reported on."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time that holds its start and not its end, so that two can be put together."""

    starts_at: datetime
    ends_at: datetime

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at

    def shifted(self, by: timedelta) -> "Stretch":
        """The stretch of the same length, earlier or later."""
        return Stretch(self.starts_at + by, self.ends_at + by)


@dataclass(frozen=True, slots=True, order=True)
class IsoWeek:
    """The year is the one that holds the week's Thursday.

    >>> week = IsoWeek.parse("2026-W53")
    >>> str(week), str(week.next), week.starts_at.date().isoformat()
    ('2026-W53', '2027-W01', '2026-12-28')
    """

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "IsoWeek":
        """Raises InvalidWeekError, which says how a week is written."""
        found = _SPELLING.fullmatch(text)
        if found is None:
            raise InvalidWeekError(f"A week is written like 2026-W47, not {text[:40]!r}")
        year, number = int(found[1]), int(found[2])
        if year < EARLIEST_YEAR:
            raise InvalidWeekError(f"Weeks are reported from {EARLIEST_YEAR}-W01 on, not {text}")
        try:
            datetime.fromisocalendar(year, number, 1)
        except ValueError:
            raise InvalidWeekError(f"The year {year} has no week {number}") from None
        return cls(year, number)

    @classmethod
    def containing(cls, at: datetime) -> "IsoWeek":
        """The week of that moment."""
        year, number, _ = at.astimezone(UTC).isocalendar()
        return cls(year, number)

    def __str__(self) -> str:
        return f"{self.year:04}-W{self.number:02}"

    @property
    def starts_at(self) -> datetime:
        return datetime.fromisocalendar(self.year, self.number, 1).replace(tzinfo=UTC)

    @property
    def previous(self) -> "IsoWeek":
        return IsoWeek.containing(self.starts_at - WEEK)

    @property
    def next(self) -> "IsoWeek":
        return IsoWeek.containing(self.starts_at + WEEK)

    def until(self, now: datetime) -> Stretch:
        """The part of the week that is over. Raises InvalidWeekError where none of it is."""
        if now <= self.starts_at:
            raise InvalidWeekError(
                f"The week {self} has not begun; the current one is {IsoWeek.containing(now)}"
            )
        return Stretch(self.starts_at, min(self.starts_at + WEEK, now.astimezone(UTC)))
