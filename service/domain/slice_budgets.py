"""Error budgets of time slices: a slice is what is counted, not a call."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Budgeting

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class SliceSums:
    """What one slice of an SLO's time holds."""

    at: datetime
    tally: Tally
    cost_usd: float


def count_slices(indicator: Indicator, budgeting: Budgeting, slices: Iterable[SliceSums]) -> Tally:
    """The slices as what is counted, one by one. Source: OpenSLO v1, `budgetingMethod`.

    >>> from datetime import timedelta
    >>> at, tally = datetime(2026, 11, 23), Tally.from_counts
    >>> halves = Budgeting("timeslices", timedelta(minutes=5), slice_target=0.5)
    >>> slices = [SliceSums(at, tally(4, bad), 0.0) for bad in (0, 2, 3)]
    >>> calls = Indicator("availability", "answer", "production")
    >>> count_slices(calls, halves, slices).bad_ratio
    0.3333333333333333
    >>> ratios = Budgeting("ratio_timeslices", timedelta(minutes=5))
    >>> round(count_slices(calls, ratios, slices).bad_ratio, 4)
    0.4167
    """
    worth = [each for each in (_worth(indicator, budgeting, s) for s in slices) if each is not None]
    n, total = len(worth), math.fsum(worth)
    bad = sum(value < 1 for value in worth)
    if budgeting.method == "timeslices":
        return Tally.from_counts(n, bad)
    squares = math.fsum(value * value for value in worth)
    return Tally(n, n, n, total, squares).of_mean()


def _worth(indicator: Indicator, budgeting: Budgeting, held: SliceSums) -> float | None:
    """How good a slice was, 0-1; None where nothing can be said of it."""
    if indicator.kind == "freshness":
        return float(held.tally.n > 0)
    if held.tally.bad_ratio is None:
        return None
    if indicator.kind == "cost":
        assert indicator.limit is not None  # noqa: S101 - the indicator saw to it
        return float(held.cost_usd / held.tally.w <= indicator.limit)
    good = 1 - held.tally.bad_ratio
    if budgeting.slice_target is None:
        return good
    return float(good >= budgeting.slice_target - _ROUNDING)
