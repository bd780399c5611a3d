"""Counts in fixed bins: all that the drift engine keeps of an hour of values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.errors import InvalidInputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class UnusableValuesError(InvalidInputError):
    """Values and weights of a drift stream must be finite numbers, and weights above 0."""


def bin_values(values: ArrayLike, edges: Sequence[float]) -> Ints:
    """Number each value's bin: bin i is (edges[i - 1], edges[i]], the last one is open above.

    Raises `UnusableValuesError` for NaN and infinities.

    >>> bin_values([1, 2, 2.5, 9], edges=[1, 2]).tolist()
    [0, 1, 2, 2]
    """
    finite = finite_values(values)
    return np.searchsorted(np.asarray(edges, dtype=np.float64), finite, side="left").astype(
        np.int64
    )


@dataclass(frozen=True, slots=True, eq=False)
class BinCounts:
    """Rows, summed weights and summed squared weights per bin; arrays of len(edges) + 1.

    A weight is 1 / (probability with which the row was kept and scored). Counts add up: an hour
    may be counted in any order and in any number of parts.
    """

    n: Ints
    w: Floats
    w2: Floats

    @classmethod
    def of(cls, n: ArrayLike, w: ArrayLike, w2: ArrayLike) -> "BinCounts":
        """Take plain sequences, as they are stored."""
        counts = cls(
            np.asarray(n, dtype=np.int64),
            np.asarray(w, dtype=np.float64),
            np.asarray(w2, dtype=np.float64),
        )
        if not counts.n.shape == counts.w.shape == counts.w2.shape:
            raise UnusableValuesError("n, w and w2 of bin counts must be equally long.")
        return counts

    @classmethod
    def empty(cls, bins: int) -> "BinCounts":
        """Count nothing yet."""
        return cls.of(np.zeros(bins), np.zeros(bins), np.zeros(bins))

    @classmethod
    def of_rows(cls, values: ArrayLike, weights: ArrayLike, edges: Sequence[float]) -> "BinCounts":
        """Count rows. Raises `UnusableValuesError` as `bin_values` and `positive_weights` do.

        >>> BinCounts.of_rows([1, 5, 7], weights=[1, 10, 10], edges=[1, 2]).w.tolist()
        [1.0, 0.0, 20.0]
        """
        at = bin_values(values, edges)
        w = positive_weights(weights, rows=len(at))
        bins = len(edges) + 1
        return cls.of(
            np.bincount(at, minlength=bins),
            np.bincount(at, weights=w, minlength=bins),
            np.bincount(at, weights=w * w, minlength=bins),
        )

    def __add__(self, other: "BinCounts") -> "BinCounts":
        return BinCounts(self.n + other.n, self.w + other.w, self.w2 + other.w2)

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return int(self.n.sum())

    @property
    def effective_n(self) -> float:
        """Kish's effective size, (sum w)^2 / sum w^2; 0 when nothing was counted."""
        w2 = float(self.w2.sum())
        return float(self.w.sum()) ** 2 / w2 if w2 else 0.0


def finite_values(values: ArrayLike) -> Floats:
    """Take the values as floats, or raise `UnusableValuesError`."""
    finite = np.asarray(values, dtype=np.float64)
    if finite.ndim != 1 or not np.isfinite(finite).all():
        raise UnusableValuesError("Drift values must be a flat list of finite numbers.")
    return finite


def positive_weights(weights: ArrayLike, rows: int) -> Floats:
    """Take one positive finite weight a row, or raise `UnusableValuesError`."""
    w = finite_values(weights)
    if len(w) != rows or (w <= 0).any():
        raise UnusableValuesError("Each drift value needs one weight greater than 0.")
    return w
