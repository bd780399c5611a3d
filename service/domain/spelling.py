"""Ratios, counts and amounts as people read them: pages and the command line write them so."""

import math

from service.domain.slis import Interval

NO_VALUE = "no data"


def percent(ratio: float | None) -> str:
    """A share with the digits that matter: never rounded up to 100 % or down to 0 %.

    >>> percent(0.84), percent(0.9996), percent(0.99999), percent(1.0), percent(0.0)
    ('84.0 %', '99.96 %', '99.999 %', '100 %', '0 %')
    >>> percent(0.00004), percent(1.25), percent(-0.5), percent(None)
    ('0.004 %', '125.0 %', '−50.0 %', 'no data')
    """
    if ratio is None:
        return NO_VALUE
    ratio = round(ratio, 12)  # what lies nearer to 0 or 1 is the noise of floating point
    if ratio in (0, 1):
        return f"{abs(ratio):.0%}".replace("%", " %")
    distance = min(abs(ratio), abs(1 - ratio))
    digits = max(1, math.ceil(round(-math.log10(distance), 9)) - 2)
    return f"{ratio:.{digits}%}".replace("%", " %").replace("-", "−")


def points(difference: float | None) -> str:
    """A difference of two shares, in percentage points.

    >>> points(-0.34), points(0.0031), points(0.0)
    ('−34.0 points', '+0.3 points', '+0.0 points')
    """
    if difference is None:
        return NO_VALUE
    return f"{100 * difference:+.1f} points".replace("-", "−")


def between_points(interval: Interval | None) -> str:
    """The interval of a difference of two shares.

    >>> between_points(Interval(-0.38, -0.299)), between_points(None)
    ('−38.0 to −29.9 points', 'no data')
    """
    if interval is None:
        return NO_VALUE
    return f"{points(interval.lower).removesuffix(' points')} to {points(interval.upper)}"


def relative(change: float | None) -> str:
    """A relative change.

    >>> relative(0.1), relative(-0.25), relative(None)
    ('+10 %', '−25 %', 'nothing before')
    """
    if change is None:
        return "nothing before"
    return f"{change:+.0%}".replace("%", " %").replace("-", "−")


def dollars(amount: float) -> str:
    """Cents, or two significant digits of what is less than one.

    >>> dollars(1234.5), dollars(0.0032), dollars(0)
    ('$1,234.50', '$0.0032', '$0.00')
    """
    if 0 < amount < 0.01:
        return f"${amount:.{1 - math.floor(math.log10(amount))}f}"
    return f"${amount:,.2f}"


def whole(number: float) -> str:
    """With thousands separated; a fraction only where it is one.

    >>> whole(12345), whole(118.0), whole(12.34)
    ('12,345', '118', '12.3')
    """
    return f"{number:,.0f}" if float(number).is_integer() or number >= 100 else f"{number:,.1f}"
