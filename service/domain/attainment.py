"""What was attained, whether that held the objective, and what changed: each with its interval."""

from dataclasses import dataclass
from math import hypot
from typing import Literal

from service.domain.slis import Interval, Tally

Held = Literal["yes", "no", "cannot tell"]
Direction = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Attainment:
    """The share of good calls, 0-1, with its 95 % interval; None where nothing was counted.

    `n` counts rows, `effective_n` says what they are worth as evidence.
    """

    good_ratio: float | None
    interval: Interval | None
    n: int
    effective_n: float

    @classmethod
    def of(cls, tally: Tally) -> "Attainment":
        """What these counts say.

        >>> Attainment.of(Tally.from_counts(total=40, bad=10)).good_ratio
        0.75
        >>> Attainment.of(Tally.ZERO).good_ratio is None
        True
        """
        bad_ratio = tally.bad_ratio
        if bad_ratio is None:
            return cls(None, None, 0, 0.0)
        bad = tally.interval()
        good = Interval(1 - bad.upper, 1 - bad.lower)
        return cls(1 - bad_ratio, good, tally.n, tally.effective_n)


@dataclass(frozen=True, slots=True)
class Change:
    """Against the week before, -1 to 1, with the 95 % interval; None where either has no data."""

    difference: float | None
    interval: Interval | None
    direction: Direction


def judge_objective(attainment: Attainment, objective: float) -> Held:
    """Whether the objective held: yes and no need the whole interval.

    >>> judge_objective(Attainment(0.9, Interval(0.85, 0.94), 200, 200), objective=0.8)
    'yes'
    >>> judge_objective(Attainment(0.9, Interval(0.75, 0.98), 20, 20), objective=0.8)
    'cannot tell'
    """
    if attainment.interval is None:
        return "cannot tell"
    if attainment.interval.lower >= objective:
        return "yes"
    return "no" if attainment.interval.upper < objective else "cannot tell"


def compare(now: Attainment, before: Attainment) -> Change:
    """What changed; a direction is named only where the interval does not cover 0.

    >>> compare(
    ...     Attainment.of(Tally.from_counts(total=1000, bad=500)),
    ...     Attainment.of(Tally.from_counts(total=1000, bad=160)),
    ... ).direction
    'worse'
    """
    if now.good_ratio is None or before.good_ratio is None:
        return Change(None, None, "cannot tell")
    assert now.interval is not None  # noqa: S101 - counted
    assert before.interval is not None  # noqa: S101 - counted
    interval = difference_interval(now.good_ratio, now.interval, before.good_ratio, before.interval)
    direction: Direction = "cannot tell"
    if interval.lower > 0:
        direction = "better"
    elif interval.upper < 0:
        direction = "worse"
    return Change(now.good_ratio - before.good_ratio, interval, direction)


def difference_interval(
    first: float, of_first: Interval, second: float, of_second: Interval
) -> Interval:
    """The interval of `first - second` from those of the two, which must be independent (MOVER).

    As wide as theirs are sure: two 95 % intervals give one of 95 %.

    Source: Zou and Donner, Statistics in Medicine 27 (2008). With Wilson's
    intervals it is method 10 of Newcombe, Statistics in Medicine 17 (1998), whose example (a),
    56 of 70 against 48 of 80, has 0.0524 to 0.3339 there:

    >>> wilson = Interval(0.6918, 0.8770), Interval(0.4905, 0.7004)
    >>> [round(end, 3) for end in difference_interval(56 / 70, wilson[0], 48 / 80, wilson[1])]
    [0.052, 0.334]
    """
    difference = first - second
    return Interval(
        difference - hypot(first - of_first.lower, of_second.upper - second),
        difference + hypot(of_first.upper - first, second - of_second.lower),
    )
