"""Bets that a mean in [0, 1] is below its objective: what an hour of calls wins, as logarithms.

H0: E[x | past] >= m. A call with value x and weight w = 1 / (probability of being seen) multiplies
the stake of bet k by 1 + lambda_k w (m - x). Under H0 each factor is 1 or less in the mean, however
the sampling depends on the past and on the outcome (statistics.md, section 3).

The lambdas. Where calls are bad b times as often as the objective allows, and weigh 1, evidence
grows fastest with lambda = (b - 1) / m; at twice that it does not grow at all. So the bets are on
burn rates: 1 + 4.8 / 2^k. Bets on shares of what can be lost, as section 3 has them, begin at 0.02:
for an objective of 0.95 that is a burn rate of 1.4, and a leak of 1.2 is hardly ever found.

A factor has to stay positive. One of a call worse than m does, whatever it weighs; for a better one
2^k >= w is needed. Which bets are in force is therefore a matter of the largest weight to be
expected, and that is decided hour by hour from earlier hours (`slow_leaks`): nobody has to know it
when an SLO is declared, and a stream of weight 1 is not bet on as timidly as one of weight 1000 has
to be.

Every factor's logarithm is rounded down to a multiple of 2^-32. That costs nothing (0.0000000002 a
call) and is on the safe side, and sums of such numbers are exact: in whatever order calls come, and
in whatever batches, an hour has the same value to the last bit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from service.domain.drift.bins import Floats
from service.domain.slis import Tally

BETS = 16
"""The last one is in force up to a weight of 32768."""
_BOLDEST_EXCESS = 4.8
"""Of a burn rate over 1; what burns faster is found by any bet, and by the burn rates' tiers."""
_MOST_LOST = 0.999 * 0.7
"""Of a stake, by a call of the largest weight."""
_STEPS = 2.0**32
_LOWEST_FACTOR = 1e-3
"""Of a bet that such a weight puts out of force: it is never looked at."""


def stakes(objective: float) -> Floats:
    """The lambdas, the boldest first; each is half the one before.

    >>> (stakes(0.95) * 0.95).round(3)[:6].tolist()
    [4.8, 2.4, 1.2, 0.6, 0.3, 0.15]
    """
    boldest = _BOLDEST_EXCESS / objective
    too_bold = boldest * (1 - objective) / _MOST_LOST
    halvings = max(0, math.ceil(math.log2(too_bold)))
    return np.asarray(boldest * 2.0 ** -(halvings + np.arange(BETS)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the calls of an hour say of an objective; two of them add up to that of both.

    Bad is what a value lacks of 1. `good_n` calls were better than the objective, the heaviest of
    them weighed `good_weight`; `terms` are the logarithms of what each bet won.
    """

    n: int
    good_n: int
    good_weight: float
    w: float
    w2: float
    bad_n: int
    bad_w: float
    bad_w2: float
    terms: tuple[float, ...]

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(
            self.n + other.n,
            self.good_n + other.good_n,
            max(self.good_weight, other.good_weight),
            self.w + other.w,
            self.w2 + other.w2,
            self.bad_n + other.bad_n,
            self.bad_w + other.bad_w,
            self.bad_w2 + other.bad_w2,
            tuple(one + two for one, two in zip(self.terms, other.terms, strict=True)),
        )


def weigh_scores(
    values: ArrayLike, weights: ArrayLike, objective: float, rows: ArrayLike = 1
) -> Evidence:
    """Of scored calls: their values in [0, 1] and weights, each of them `rows` times.

    >>> one_bad = weigh_scores([0.0], [1.0], objective=0.95)
    >>> round(float(np.exp(one_bad.terms[0])), 1)
    5.8
    """
    x, w, times = np.broadcast_arrays(
        np.asarray(values, np.float64), np.asarray(weights, np.float64), np.asarray(rows, np.int64)
    )
    good, bad = x > objective, x < 1
    lost = np.where(bad, w * (1 - x), 0.0)
    return Evidence(
        n=int(times.sum()),
        good_n=int(times[good].sum()),
        good_weight=float(w[good].max(initial=0.0)),
        w=float((times * w).sum()),
        w2=float((times * w * w).sum()),
        bad_n=int(times[bad].sum()),
        bad_w=float((times * lost).sum()),
        bad_w2=float((times * lost * lost).sum()),
        terms=_terms(w * (objective - x), times, objective),
    )


def weigh_counts(tally: Tally, objective: float) -> Evidence:
    """Of calls that were counted, in closed form: good ones are worth 1, bad ones 0.

    Where those that were seen stand for others too (the sum of squares exceeds the number) each
    side counts as so many calls of one weight as have the same two sums.

    >>> of_hour = weigh_counts(Tally.from_counts(total=40, bad=24), objective=0.95)
    >>> of_hour == weigh_scores([0.0] * 24 + [1.0] * 16, 1.0, objective=0.95)
    True
    """
    parts = (
        (1.0, tally.w - tally.bad_w, tally.w2 - tally.bad_w2),
        (0.0, tally.bad_w, tally.bad_w2),
    )
    sides = [(x, w2 / w, w * w / w2) for x, w, w2 in parts if w > 0 and w2 > 0]
    x, weight, rows = np.asarray(sides, dtype=np.float64).reshape(-1, 3).T
    return Evidence(
        n=tally.n,
        good_n=tally.n - tally.bad_n,
        good_weight=float(weight[x == 1].max(initial=0.0)),
        w=tally.w,
        w2=tally.w2,
        bad_n=tally.bad_n,
        bad_w=tally.bad_w,
        bad_w2=tally.bad_w2,
        terms=_terms(weight * (objective - x), rows, objective),
    )


def _terms(gains: Floats, rows: ArrayLike, objective: float) -> tuple[float, ...]:
    factors = np.maximum(1.0 + gains[:, None] * stakes(objective), _LOWEST_FACTOR)
    logarithms = np.floor(np.log(factors) * _STEPS) / _STEPS
    return tuple((np.asarray(rows)[:, None] * logarithms).sum(axis=0).tolist())
