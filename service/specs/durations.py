"""OpenSLO's duration shorthand: one number and one unit."""

import re
from datetime import timedelta

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
}
_SHORTHAND = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
ALLOWED = "allowed: a whole number and m, h, d or w, like 30m, 6h, 28d or 1w"


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
