"""Several indicators as one: the parts of a composite SLO."""

from collections.abc import Sequence

from service.domain.slis import Tally


def weigh_strata(tallies: Sequence[Tally], weights: Sequence[float]) -> Tally:
    """All of them as strata: each has its weight's share of the whole, however large it is.

    Source: Saerndal, Swensson, Wretman, Model Assisted Survey Sampling (1992), 3.7.

    >>> calls = [Tally.from_counts(1000, 0), Tally.from_counts(10, 10)]
    >>> weigh_strata(calls, [3.0, 1.0]).bad_ratio
    0.25
    """
    present = [(tally, weight) for tally, weight in zip(tallies, weights, strict=True) if tally.n]
    total = sum(weight for _, weight in present)
    calls = sum(tally.n for tally, _ in present)
    return Tally.sum(tally.scaled(calls * weight / total / tally.w) for tally, weight in present)
