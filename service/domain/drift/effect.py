"""How far a stream moved, and how far it would have to move to be noticed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.domain.drift.bins import BinCounts
from service.domain.drift.reference import Reference
from service.domain.drift.shares import anytime_interval, side_shares
from service.domain.drift.tolerance_grid import BOUNDS, ToleranceGrid

Comparison = Literal["at most", "below", "above", "at least"]


@dataclass(frozen=True, slots=True)
class DriftEffect:
    """The side of an edge whose share now exceeds that of the reference the most.

    It reads "`current_share` of the rows are now `comparison` `value`, `reference_share` were".
    `bound` is the share that is put up with: what the reference may have been, plus the tolerance.
    `interval` is for the current share: a confidence sequence over the rows of the shown window,
    spread over all edges and sides, so peeking while the window fills and showing the largest are
    both paid for. Exact for equal weights; with unequal ones it uses effective sizes. It does not
    hold for all windows of a quarter at once.
    """

    comparison: Comparison
    value: float
    reference_share: float
    current_share: float
    bound: float
    interval: tuple[float, float]
    rows: int
    effective_n: float
    edge: int
    side: int

    @property
    def exceedance(self) -> float:
        """Current minus reference share."""
        return self.current_share - self.reference_share


def largest_effect(
    reference: Reference, grid: ToleranceGrid, recent: BinCounts, alpha: float
) -> DriftEffect:
    """Compare recent counts (at least one row) with the reference, edge by edge and side by side.

    The interval misses the current share with probability <= alpha.
    """
    now = side_shares(recent, max(grid.weight_max, _heaviest_average(recent)))
    past = side_shares(reference.counts, reference.weight_max)
    # Sides without a usable bet cannot alarm: they must not explain one either.
    beyond = np.where(grid.stakes.any(axis=-1), now.share - past.share, -np.inf)
    edge, side = (int(i) for i in np.unravel_index(np.argmax(beyond), beyond.shape))
    comparison, value = _in_words(reference.edges, edge, side)
    share, size = float(now.share[edge, side]), float(now.effective_n[edge, side])
    return DriftEffect(
        comparison=comparison,
        value=value,
        reference_share=float(past.share[edge, side]),
        current_share=share,
        bound=float(grid.bounds[edge, side]),
        interval=anytime_interval(share, size, alpha / BOUNDS),
        rows=recent.rows,
        effective_n=size,
        edge=edge,
        side=side,
    )


def minimum_detectable_effect(
    grid: ToleranceGrid, effect: DriftEffect, period: BinCounts, threshold: float
) -> float | None:
    """About the smallest exceedance, at the effect's edge and side, found within such a period.

    That is where the expected evidence of its rows reaches the threshold; the gain from not
    knowing the start is left out, so the true figure is a little smaller. None: not even if every
    row moved.
    """
    bound, stakes = grid.bounds[effect.edge, effect.side], grid.stakes[effect.edge, effect.side]
    weight = _mean_scaled_weight(grid, period)
    shares = np.linspace(bound, 1.0, 401)[:, None]
    evidence = period.rows * (
        shares * np.log1p(stakes * weight * (1.0 - bound))
        + (1.0 - shares) * np.log1p(-stakes * weight * bound)
    ).max(axis=1)
    found = evidence >= _needed_log_evidence(grid, threshold)
    if not found.any():
        return None
    return float(shares[np.argmax(found), 0]) - effect.reference_share


def rows_needed(grid: ToleranceGrid, period: BinCounts, threshold: float) -> int:
    """Fewest rows with which even a total change, every row beyond one edge, could alarm."""
    weight = _mean_scaled_weight(grid, period)
    best = np.log1p(grid.stakes * weight * (1.0 - grid.bounds[..., None])).max()
    return int(np.ceil(_needed_log_evidence(grid, threshold) / best))


def _needed_log_evidence(grid: ToleranceGrid, threshold: float) -> float:
    """One bet alone must lift the mean of all: log(threshold x bets)."""
    return float(np.log(threshold * np.count_nonzero(grid.prior)))


def _mean_scaled_weight(grid: ToleranceGrid, period: BinCounts) -> float:
    """Mean of v = w / b of the period, which shrinks every bet."""
    heaviest = max(grid.weight_max, _heaviest_average(period))
    return float(period.w.sum()) / (period.rows * heaviest) if period.rows else 1.0


def _heaviest_average(counts: BinCounts) -> float:
    averages = np.divide(counts.w2, counts.w, out=np.zeros_like(counts.w), where=counts.w > 0.0)
    return float(averages.max())


def _in_words(edges: tuple[float, ...], edge: int, side: int) -> tuple[Comparison, float]:
    """Name a side of an edge; an edge a hair below an atom means "below" the atom."""
    atom = float(np.nextafter(edges[edge], np.inf)) + 0.0  # + 0.0 turns -0.0 into 0.0
    if atom in edges:
        return ("at least" if side else "below"), atom
    return ("above" if side else "at most"), edges[edge]
