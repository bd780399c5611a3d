"""OpenSLO's duration shorthand: one number and one unit."""

import re
from datetime import timedelta

from service.domain.budget_windows import CalendarUnit

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
}
_PERIODS: dict[str, CalendarUnit] = {
    "d": "day",
    "w": "week",
    "M": "month",
    "Q": "quarter",
    "Y": "year",
}
_LETTER = {unit: letter for letter, unit in _PERIODS.items()}
_SHORTHAND = re.compile(r"([1-9][0-9]{0,6})([mhdw])")
_PERIOD = re.compile(r"([1-9][0-9]{0,3})([dwMQY])")
ALLOWED = "allowed: a whole number and m, h, d or w, like 30m, 6h, 28d or 1w"
ALLOWED_PERIODS = "allowed: a whole number and d, w, M, Q or Y, like 1M (m is a minute, M a month)"


def parse_duration(text: str) -> timedelta:
    """
    >>> parse_duration("28d").days
    28
    """
    match = _SHORTHAND.fullmatch(text)
    if not match:
        raise ValueError(ALLOWED)
    return int(match[1]) * _UNITS[match[2]]


def write_duration(duration: timedelta) -> str:
    """In the largest unit that divides it, weeks excepted.

    >>> write_duration(timedelta(minutes=144)), write_duration(timedelta(days=3))
    ('144m', '3d')
    """
    for letter in "dhm":
        count, rest = divmod(duration, _UNITS[letter])
        if not rest:
            return f"{count}{letter}"
    raise ValueError(f"{duration} is not a whole number of minutes")


def parse_period(text: str) -> tuple[CalendarUnit, int]:
    """
    >>> parse_period("2M")
    ('month', 2)
    """
    match = _PERIOD.fullmatch(text)
    if not match:
        raise ValueError(ALLOWED_PERIODS)
    return _PERIODS[match[2]], int(match[1])


def write_period(unit: CalendarUnit, count: int) -> str:
    """
    >>> write_period("quarter", 1)
    '1Q'
    """
    return f"{count}{_LETTER[unit]}"
