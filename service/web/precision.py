"""How many decimals a share deserves: as many as its interval can tell apart."""

import math

from service.domain.slis import Interval

_MOST = 6


def decimals(interval: Interval, value: float) -> int:
    """Decimals of the percentage: two figures of the interval's width, at least one decimal.

    More where the value or a bound would else be rounded to a whole that it is not.

    >>> decimals(Interval(0.79, 0.81), 0.8), decimals(Interval(0.9980, 0.9984), 0.9982)
    (1, 3)
    >>> decimals(Interval(0.95, 0.9998), 0.99)
    2
    """
    width = 100 * round(interval.upper - interval.lower, 12)
    wanted = 1 - math.floor(math.log10(width)) if width > 0 else 1
    needed = (_to_differ(share) for share in (value, interval.lower, interval.upper))
    return min(_MOST, max(1, wanted, *needed))


def _to_differ(share: float) -> int:
    """Decimals with which what is almost 0 % or 100 % is not written so."""
    distance = round(min(abs(share), abs(1 - share)), 12)
    return math.ceil(round(-math.log10(2 * 100 * distance), 9)) if distance else 0


def percent_with(share: float, digits: int) -> str:
    """A percentage of that many decimals; 0 and 100 stand without any.

    >>> percent_with(0.99823, 3), percent_with(1.0, 3), percent_with(-0.5, 1)
    ('99.823 %', '100 %', '−50.0 %')
    """
    share = round(share, 12)
    shown = 0 if share in (0, 1) else digits
    return f"{share + 0.0:.{shown}%}".replace("%", " %").replace("-", "−")
