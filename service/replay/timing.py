"""When the calls of a log happened: spread evenly over a span, or read from a column."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.replay.errors import ReplayUsageError
from service.replay.rows import value_at

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_RELATIVE = re.compile(r"([+-]\d{1,9})([wdhms])")
_EPOCH_DIGITS = re.compile(r"-?\d{9,}(\.\d+)?")
_MILLISECONDS_FROM = 1e11
"""Unix times beyond this, the year 5138 in seconds, are in milliseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Spread:
    """`total` calls at even distances from `start` on, before `end`."""

    start: datetime
    end: datetime
    total: int

    def time_at(self, index: int) -> datetime:
        """The time of the `index`-th call.

        >>> day = Spread(datetime(2026, 1, 1), datetime(2026, 1, 2), total=4)
        >>> day.time_at(3)
        datetime.datetime(2026, 1, 1, 18, 0)
        """
        span_us = (self.end - self.start) // timedelta(microseconds=1)
        return self.start + timedelta(microseconds=span_us * index // self.total)


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A column that holds the time, read by `form` (of `strptime`) or as what it looks like."""

    column: str
    form: str | None = None

    def time_of(self, values: Mapping[str, Any]) -> datetime | None:
        """The time in the row's column, or None where that is no time."""
        return read_time(value_at(values, self.column), self.form)


TimeSource = Spread | TimeColumn


def read_time(value: Any, form: str | None = None) -> datetime | None:
    """A time as logs write it: ISO 8601, or Unix seconds or milliseconds. Without offset: UTC.

    >>> read_time("2026-01-02T03:04:05+01:00").isoformat()
    '2026-01-02T02:04:05+00:00'
    >>> read_time("07/24/2023, 21:00:49", "%m/%d/%Y, %H:%M:%S").isoformat()
    '2023-07-24T21:00:49+00:00'
    >>> read_time(1690232449.5) == read_time("1690232449500")
    True
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _from_epoch(value)
        if not isinstance(value, str):
            return None
        value = value.strip()
        if form is not None:
            return _utc(datetime.strptime(value, form))  # noqa: DTZ007 - without offset: UTC
        # Before ISO 8601, which would take 13 digits for a day and a time.
        if _EPOCH_DIGITS.fullmatch(value):
            return _from_epoch(float(value))
        return _utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return None


def parse_bound(text: str, *, now: datetime) -> datetime:
    """An end of the span, as given on the command line: `now`, `-30d` or RFC 3339.

    >>> parse_bound("-36h", now=datetime(2026, 1, 3, tzinfo=UTC)).isoformat()
    '2026-01-01T12:00:00+00:00'
    """
    if text == "now":
        return now
    try:
        if relative := _RELATIVE.fullmatch(text):
            amount, unit = relative.groups()
            return now + timedelta(**{_UNITS[unit]: int(amount)})
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ReplayUsageError(
            f"{text!r} is not a time: give one like 2026-11-16T00:00:00Z, -30d, -36h or now"
        ) from None


def check_format(form: str) -> None:
    """Make sure that `strptime` understands a format."""
    try:
        datetime.strptime("", form)  # noqa: DTZ007 - only the format matters
    except ValueError as error:
        if not str(error).startswith("time data"):
            raise ReplayUsageError(f"--time-format {form!r}: {error}") from None


def _from_epoch(number: float) -> datetime | None:
    if not math.isfinite(number):
        return None
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    return _EPOCH + timedelta(seconds=seconds)


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)
