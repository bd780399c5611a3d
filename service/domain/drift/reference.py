"""The trusted past of a stream: bin edges at its quantiles, and its counts in these bins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from service.domain.drift.bins import BinCounts, Floats, finite_values, positive_weights

# statistics.md section 4, test B1: where the reference is cut ...
GRID_QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
# ... and the fewest rows that bound these shares well enough to bet against them.
MINIMUM_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Reference:
    """An immutable reference: `edges` ascending, the per-bin sums len(edges) + 1 long.

    `weight_max` is the largest weight of a reference row: later bets are scaled by it.
    """

    edges: tuple[float, ...]
    n: tuple[int, ...]
    w: tuple[float, ...]
    w2: tuple[float, ...]
    weight_max: float

    @property
    def counts(self) -> BinCounts:
        """The per-bin sums as arrays."""
        return BinCounts.of(self.n, self.w, self.w2)

    @property
    def rows(self) -> int:
        """How many rows it was built from."""
        return sum(self.n)

    @property
    def effective_n(self) -> float:
        """Kish's effective size."""
        return self.counts.effective_n

    def to_document(self) -> dict[str, Any]:
        """Write as plain lists and numbers, for JSON; doubles survive the round trip exactly."""
        return {
            "edges": list(self.edges),
            "n": list(self.n),
            "w": list(self.w),
            "w2": list(self.w2),
            "weight_max": self.weight_max,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Reference":
        """Read what `to_document` wrote."""
        return cls(
            edges=tuple(float(edge) for edge in document["edges"]),
            n=tuple(int(n) for n in document["n"]),
            w=tuple(float(w) for w in document["w"]),
            w2=tuple(float(w2) for w2 in document["w2"]),
            weight_max=float(document["weight_max"]),
        )


@dataclass(frozen=True, slots=True)
class InsufficientReference:
    """No reference yet; the stream is still warming up.

    day, days: how far the window has come; 0 where nobody asked. `waits_for` says what else is
    missing, where rows and days are enough.
    """

    rows: int
    minimum_rows: int = MINIMUM_ROWS
    day: int = 0
    days: int = 0
    waits_for: str = ""

    def progress(self, rows_are: str) -> str:
        """What there is, and what is missing.

        >>> InsufficientReference(rows=1000, day=6, days=7).progress("answers")
        '1000 of 1000 answers, day 6 of 7'
        """
        days = f", day {self.day} of {self.days}" if self.days else ""
        rest = f"; {self.waits_for}" if self.waits_for else ""
        return f"{self.rows} of {self.minimum_rows} {rows_are}{days}{rest}"


def build_reference(values: ArrayLike, weights: ArrayLike) -> Reference | InsufficientReference:
    """Cut the weighted reference at its grid quantiles and count it in the bins.

    Raises `UnusableValuesError` for non-finite values and for weights that are not positive.

    >>> grades = build_reference(np.repeat([0.0, 1.0], [160, 840]), np.ones(1000))
    >>> [round(edge, 3) for edge in grades.edges], grades.n
    ([-0.0, 0.0, 1.0], (0, 160, 840, 0))
    >>> build_reference([0.5] * 999, np.ones(999))
    InsufficientReference(rows=999, minimum_rows=1000, day=0, days=0, waits_for='')
    """
    finite = finite_values(values)
    w = positive_weights(weights, rows=len(finite))
    if len(finite) < MINIMUM_ROWS:
        return InsufficientReference(rows=len(finite))
    edges = _grid_edges(finite, w)
    counts = BinCounts.of_rows(finite, w, edges)
    return Reference(
        edges=edges,
        n=tuple(counts.n.tolist()),
        w=tuple(counts.w.tolist()),
        w2=tuple(counts.w2.tolist()),
        weight_max=float(w.max()),
    )


def _grid_edges(values: Floats, weights: Floats) -> tuple[float, ...]:
    """Unique weighted quantiles, with heavy atoms cut on both sides.

    An atom that swallows two or more quantiles gets a second edge just below it. Without it a pass
    score of 0.97 has all quantiles but one at 1.0, `P(X <= 1)` is always 1, and no fall is seen.
    At most as many edges as quantiles, so a bound spread over the grid stays spread thinly enough.
    """
    order = np.argsort(values, kind="stable")
    ranked, cumulated = values[order], np.cumsum(weights[order])
    levels = np.asarray(GRID_QUANTILES) * cumulated[-1]
    # Rounding must not push a level past the row that reaches it exactly.
    at = np.searchsorted(cumulated, levels * (1.0 - 1e-12), side="left")
    quantiles, hits = np.unique(ranked[at], return_counts=True)
    edges: list[float] = []
    for quantile, hit in zip(quantiles.tolist(), hits.tolist(), strict=True):
        below = float(np.nextafter(quantile, -np.inf))
        split = edges[-1] if edges else -np.inf
        between = (values > split) & (values <= below)
        if hit > 1 and (not edges or between.any()):
            edges.append(below)
        edges.append(quantile)
    return tuple(edges)
