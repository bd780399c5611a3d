r"""Test B1, the tolerance grid: bets that a share left its reference by more than the tolerance.

For each edge e and side s of the reference (`X <= e`, `X > e`), the null hypothesis is

    H0:  P(X on side s of e) <= U,    U = upper bound of the reference share + tolerance,

and for each alternative d in `ALTERNATIVES` with U + d < 1 one row x in {0, 1} multiplies by

    L = 1 + lambda (x - U),    lambda = d / (U (1 - U)),

which is the binomial likelihood ratio of U + d against U: (U + d) / U where x = 1,
(1 - U - d) / (1 - U) where x = 0. Source: statistics.md section 4; Waudby-Smith and Ramdas 2023.

Weighted rows (w = 1 / probability of being kept) bet on the Horvitz-Thompson term,
L = 1 + lambda v (x - U) with v = w / b, where b >= w is fixed in advance. That is fair however
keeping depends on the value. What is exact, and what is not:

* All weights equal to b: v = 1, the unweighted binomial, exact.
* Unequal weights: the product over rows needs every w, and only (n, sum w, sum w^2) per bin are
  kept. So the *smallest* product that these sums allow is taken: it never exceeds the true one, so
  the e-value is still valid (conservative), and it is the true one where weights are equal within a
  bin. The extremal weights are those of Chebyshev's moment problem: where x = 1 the logarithm is
  concave with a positive third derivative, so (sum w)^2 / sum w^2 rows of weight
  sum w^2 / sum w and others of weight 0; where x = 0 the third derivative is negative, so two
  atoms, one of them at b.
* b is the largest weight of the reference, raised by whatever heavier bin average an earlier batch
  showed. The first batch that is heavier still is not bet on. So when the sampling becomes sparser
  than it ever was, one batch is lost; its rows being chosen by their weights makes that one step an
  approximation, and so does a row heavier than b that hides in a lighter bin average.
* U itself is exact for equal weights, and Korn-Graubard's approximation otherwise (`shares`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.domain.drift.bins import Floats
from service.domain.drift.reference import GRID_QUANTILES, Reference
from service.domain.drift.shares import side_shares, side_sums, upper_bound

# How far beyond the bound the bets reach (statistics.md section 4): each doubles the one before.
ALTERNATIVES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
# The reference's error probability is spread over both sides of all quantiles.
BOUNDS = 2 * len(GRID_QUANTILES)
# Weights are sums of doubles: a relative difference below this is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ToleranceGrid:
    """The bets against one reference.

    `bounds` (edges, 2) are the U; `stakes` (edges, 2, alternatives) the lambda, 0 where U + d
    reaches 1; `prior` like `stakes`, equal over the usable bets; `weight_max` the first b.
    """

    bounds: Floats
    stakes: Floats
    prior: Floats
    weight_max: float


def tolerance_grid(reference: Reference, tolerance: float, reference_alpha: float) -> ToleranceGrid:
    """Bound the reference's shares and choose the bets against them."""
    shares = side_shares(reference.counts, reference.weight_max)
    bounds: Floats = np.minimum(upper_bound(shares, reference_alpha / BOUNDS) + tolerance, 1.0)
    distances = np.asarray(ALTERNATIVES)
    usable = bounds[..., None] + distances < 1.0
    spread = np.where(usable, (bounds * (1.0 - bounds))[..., None], 1.0)
    stakes = np.where(usable, distances / spread, 0.0)
    return ToleranceGrid(bounds, stakes, usable / max(usable.sum(), 1), reference.weight_max)


def log_factors(grid: ToleranceGrid, n: Floats, w: Floats, w2: Floats) -> Floats:
    """log L of each batch under each bet: (batches, edges, 2, alternatives).

    n, w, w2: (batches, bins), in the order of time.
    """
    scale = _largest_weight_so_far(grid.weight_max, w, w2)
    v, v2 = w / scale[:, None], w2 / scale[:, None] ** 2
    if np.allclose(v, n, rtol=_ROUNDING, atol=0.0) and np.allclose(v2, n, rtol=_ROUNDING, atol=0.0):
        return _binomial(grid, n)
    bets = _lowest_product(grid, n, v, v2)
    heavier = np.asarray((v2 > v * (1.0 + _ROUNDING)).any(axis=1))
    return np.where(heavier[:, None, None, None], 0.0, bets)


def _largest_weight_so_far(weight_max: float, w: Floats, w2: Floats) -> Floats:
    """The b of each batch: from the reference and the batches *before* it, never from itself."""
    averages = np.divide(w2, w, out=np.zeros_like(w), where=w > 0.0).max(axis=1, initial=0.0)
    before = np.concatenate([[weight_max], averages[:-1]])[: len(w)]
    return np.maximum.accumulate(before)


def _log_hit_and_miss(grid: ToleranceGrid, hit: Floats, miss: Floats) -> tuple[Floats, Floats]:
    """Log factors of a row of scaled weight `hit` with x = 1, and of weight `miss` with x = 0."""
    bounds = grid.bounds[..., None]
    return (
        np.log1p(grid.stakes * (1.0 - bounds) * hit[..., None, None, None]),
        np.log1p(-grid.stakes * bounds * miss[..., None, None, None]),
    )


def _binomial(grid: ToleranceGrid, n: Floats) -> Floats:
    """All weights equal: the binomial likelihood ratio."""
    hits = side_sums(n)[..., None]
    log_hit, log_miss = _log_hit_and_miss(grid, np.ones(()), np.ones(()))
    return np.asarray(hits * log_hit + (n.sum(axis=1)[:, None, None, None] - hits) * log_miss)


def _lowest_product(grid: ToleranceGrid, n: Floats, v: Floats, v2: Floats) -> Floats:
    """The smallest log L that per-bin sums of scaled weights (each <= 1) allow."""
    filled = n > 0.0
    rows = np.where(filled, n, 1.0)
    mean, square = np.where(filled, v / rows, 1.0), np.where(filled, v2 / rows, 1.0)
    mean, square = np.minimum(mean, 1.0), np.minimum(square, 1.0)
    spread = np.maximum(square - mean**2, 0.0)
    spread = np.where(spread > _ROUNDING * square, spread, 0.0)

    hit_rows, hit_weight = n * mean**2 / (mean**2 + spread), (mean**2 + spread) / mean
    room = np.where(spread > 0.0, 1.0 - mean, 1.0)
    light = np.where(spread > 0.0, np.maximum(mean - spread / room, 0.0), mean)
    heavy_rows = n * spread / (room**2 + spread)

    log_hit, log_light = _log_hit_and_miss(grid, hit_weight, light)
    _, log_heavy = _log_hit_and_miss(grid, np.ones(()), np.ones(()))
    per_bin = (..., None, None, None)
    hit = hit_rows[per_bin] * log_hit
    miss = (n - heavy_rows)[per_bin] * log_light + heavy_rows[per_bin] * log_heavy
    on_side = _bins_on_side(n.shape[1])[None, :, :, :, None]
    return np.asarray(np.where(on_side, hit, miss).sum(axis=1))


def _bins_on_side(bins: int) -> NDArray[np.bool_]:
    """Which bins lie on which side of which edge: (bins, edges, 2)."""
    below = np.arange(bins)[:, None] <= np.arange(bins - 1)[None, :]
    return np.stack([below, ~below], axis=-1)
