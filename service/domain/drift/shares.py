"""Shares on both sides of each edge, their effective sizes and their bounds.

Arrays are (..., edges, 2): side 0 is `P(X <= edge)`, side 1 is `P(X > edge)`.
"""

from dataclasses import dataclass
from math import log, log1p

import numpy as np
from scipy.special import betaincinv, betaln

from service.domain.drift.bins import BinCounts, Floats


@dataclass(frozen=True, slots=True, eq=False)
class SideShares:
    """Hajek share of each side of each edge, and the number of equal rows that it is worth."""

    share: Floats
    effective_n: Floats


def side_sums(per_bin: Floats) -> Floats:
    """Sum bins (..., bins) into the two sides of each edge (..., edges, 2).

    >>> side_sums(np.array([1.0, 2.0, 4.0])).tolist()
    [[1.0, 6.0], [3.0, 4.0]]
    """
    below = np.cumsum(per_bin, axis=-1)
    return np.stack([below[..., :-1], below[..., -1:] - below[..., :-1]], axis=-1)


def side_shares(counts: BinCounts, weight_max: float) -> SideShares:
    """Estimate the shares; `counts` must hold at least one row.

    The effective size is p (1 - p) / V with V the linearised variance of the Hajek share at this
    very edge (Korn and Graubard 1998), because Kish's size overstates it when the weights depend on
    the value. Never more than the rows themselves. With equal weights it is the number of rows.

    A side where nothing was seen has V = 0: there each unseen row could have carried `weight_max`,
    so the size is sum w / weight_max.

    >>> once = side_shares(BinCounts.of([30, 70], [30, 70], [30, 70]), weight_max=1.0)
    >>> tenfold = side_shares(BinCounts.of([30, 70], [300, 700], [3000, 7000]), weight_max=10.0)
    >>> once.share.tolist() == tenfold.share.tolist() == [[0.3, 0.7]]
    True
    >>> once.effective_n.tolist() == tenfold.effective_n.tolist() == [[100.0, 100.0]]
    True
    """
    total = float(counts.w.sum())
    share = side_sums(counts.w) / total
    squares = side_sums(counts.w2)
    other = 1.0 - share
    variance = (other**2 * squares + share**2 * squares[..., ::-1]) / total**2
    seen_both = (share > 0.0) & (other > 0.0) & (variance > 0.0)
    size = np.where(
        seen_both,
        share * other / np.where(seen_both, variance, 1.0),
        total / weight_max,
    )
    # Rounded, so that equal weights give whole rows and not 999.9999999.
    return SideShares(share, np.minimum(np.round(size, 6), float(counts.rows)))


def upper_bound(shares: SideShares, alpha: float) -> Floats:
    """Clopper-Pearson upper bound of each share, missed with probability <= alpha.

    Exact for equal weights; on effective sizes it is Korn and Graubard's approximation.

    >>> round(float(upper_bound(SideShares(np.array(0.05), np.array(1000.0)), alpha=0.01)), 4)
    0.0684
    """
    k = shares.share * shares.effective_n
    misses = np.maximum(shares.effective_n - k, 0.0)
    # All rows on this side: the Beta degenerates, and the bound is 1.
    certain = misses < 1e-9
    bound = betaincinv(k + 1.0, np.where(certain, 1.0, misses), 1.0 - alpha)
    return np.asarray(np.where(certain, 1.0, bound), dtype=np.float64)


def anytime_interval(share: float, effective_n: float, alpha: float) -> tuple[float, float]:
    """Confidence sequence of a share: holds at every row count at once, for one fixed start.

    Robbins' Beta(1/2, 1/2) mixture of the binomial (Howard et al. 2021, arXiv 1810.08240): all p
    whose mixture likelihood ratio is below 1 / alpha. Exact for equal weights.

    >>> low, high = anytime_interval(share=0.42, effective_n=500, alpha=0.05)
    >>> round(low, 2), round(high, 2)
    (0.34, 0.5)
    """
    # Imported here: it takes half a second, and every command imports this module.
    from scipy.optimize import brentq

    k, misses = share * effective_n, (1.0 - share) * effective_n
    mixture = float(betaln(k + 0.5, misses + 0.5) - betaln(0.5, 0.5))

    def excess(p: float) -> float:
        return mixture - k * log(p) - misses * log1p(-p) + log(alpha)

    tiny = 1e-12
    inside = min(max(share, tiny), 1.0 - tiny)
    low = brentq(excess, tiny, inside) if share > 1e-9 and excess(tiny) > 0 else 0.0
    high = brentq(excess, inside, 1 - tiny) if share < 1 - 1e-9 and excess(1 - tiny) > 0 else 1.0
    return float(low), float(high)
