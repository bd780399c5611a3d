"""The bets: the binomial for equal weights, never more than the true product otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from service.domain.drift.bins import BinCounts
from service.domain.drift.reference import Reference, build_reference
from service.domain.drift.shares import (
    SideShares,
    anytime_interval,
    side_shares,
    upper_bound,
)
from service.domain.drift.tolerance_grid import (
    ALTERNATIVES,
    ToleranceGrid,
    log_factors,
    tolerance_grid,
)

RNG = np.random.default_rng(11)
VALUES = RNG.normal(size=1200)


def _reference(weights=None) -> Reference:
    reference = build_reference(VALUES, np.ones(1200) if weights is None else weights)
    assert isinstance(reference, Reference)
    return reference


def _bets(grid: ToleranceGrid, batches: list[BinCounts]):
    n, w, w2 = (np.array([getattr(b, f) for b in batches], dtype=float) for f in ("n", "w", "w2"))
    return log_factors(grid, n, w, w2)


def test_equal_weights_bet_the_binomial_likelihood_ratio():
    reference = _reference()
    grid = tolerance_grid(reference, tolerance=0.01, reference_alpha=0.05)
    values = RNG.normal(0.3, size=50)
    bets = _bets(grid, [BinCounts.of_rows(values, np.ones(50), reference.edges)])[0]
    for edge, at in enumerate(reference.edges):
        for side, hits in enumerate([(values <= at).sum(), (values > at).sum()]):
            bound = grid.bounds[edge, side]
            for bet, distance in enumerate(ALTERNATIVES):
                expected = 0.0
                if bound + distance < 1:
                    expected = stats.binom.logpmf(hits, 50, bound + distance)
                    expected -= stats.binom.logpmf(hits, 50, bound)
                assert bets[edge, side, bet] == pytest.approx(expected)


def test_the_bounds_are_clopper_pearson_plus_the_tolerance():
    reference = _reference()
    grid = tolerance_grid(reference, tolerance=0.01, reference_alpha=0.05)
    at_most = int((reference.edges[3] >= VALUES).sum())
    exact = stats.binomtest(at_most, 1200).proportion_ci(1 - 2 * 0.05 / 14).high
    assert grid.bounds[3, 0] == pytest.approx(exact + 0.01)


def test_bets_that_would_reach_certainty_are_left_out():
    grid = tolerance_grid(_reference(), tolerance=0.01, reference_alpha=0.05)
    assert grid.prior.sum() == pytest.approx(1.0)
    usable = grid.bounds[..., None] + np.array(ALTERNATIVES) < 1
    assert ((grid.stakes > 0) == usable).all()
    assert ((grid.prior > 0) == usable).all()


weighted_rows = st.lists(
    st.tuples(st.floats(-3, 3), st.sampled_from([1.0, 1.5, 2.0, 5.0, 10.0])),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(weighted_rows)
def test_unequal_weights_never_bet_more_than_the_product_over_their_rows(rows):
    reference = _reference(np.where(VALUES > 0, 10.0, 1.0))
    grid = tolerance_grid(reference, tolerance=0.01, reference_alpha=0.05)
    values, weights = (np.array(column) for column in zip(*rows, strict=True))
    bets = _bets(grid, [BinCounts.of_rows(values, weights, reference.edges)])[0]
    below = values[:, None] <= np.array(reference.edges)
    x = np.stack([below, ~below], axis=-1)[..., None]
    v = (weights / 10.0)[:, None, None, None]
    true = np.log1p(grid.stakes * v * (x - grid.bounds[..., None])).sum(axis=0)
    assert (bets <= true + 1e-7).all()


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60))
def test_weights_that_are_equal_within_bins_bet_exactly_the_product(values):
    reference = _reference(np.where(VALUES > 0, 10.0, 1.0))
    grid = tolerance_grid(reference, tolerance=0.01, reference_alpha=0.05)
    at = np.array(values)
    cut = reference.edges[2]
    weights = np.where(at > cut, 10.0, 2.0)
    bets = _bets(grid, [BinCounts.of_rows(at, weights, reference.edges)])[0]
    below = at[:, None] <= np.array(reference.edges)
    x = np.stack([below, ~below], axis=-1)[..., None]
    v = (weights / 10.0)[:, None, None, None]
    true = np.log1p(grid.stakes * v * (x - grid.bounds[..., None])).sum(axis=0)
    assert bets == pytest.approx(true, abs=1e-6)


@pytest.mark.parametrize("factor", [0.125, 3.0, 10.0, 977.0])
@pytest.mark.parametrize("unequal", [False, True])
def test_scaling_all_weights_changes_nothing(factor, unequal):
    def bets(scale: float):
        weights = np.where(VALUES > 0.2, 7.0, 1.0) if unequal else np.ones(1200)
        reference = _reference(scale * weights)
        grid = tolerance_grid(reference, tolerance=0.01, reference_alpha=0.05)
        parts = [slice(0, 20), slice(20, 400), slice(400, 410)]
        return _bets(
            grid,
            [BinCounts.of_rows(VALUES[p], scale * weights[p], reference.edges) for p in parts],
        )

    assert bets(factor) == pytest.approx(bets(1.0), rel=1e-6, abs=1e-6)


def test_the_first_batch_of_a_sparser_sampling_is_not_bet_on_and_the_next_is_bet_on_fully():
    reference = _reference()
    grid = tolerance_grid(reference, tolerance=0.01, reference_alpha=0.05)
    once = BinCounts.of_rows(VALUES[:30], np.ones(30), reference.edges)
    tenfold = BinCounts.of_rows(VALUES[:30], np.full(30, 10.0), reference.edges)
    bets = _bets(grid, [once, tenfold, tenfold])
    assert (bets[1] == 0).all()
    assert bets[2] == pytest.approx(bets[0])


def test_an_empty_batch_changes_no_bet():
    reference = _reference(np.where(VALUES > 0, 10.0, 1.0))
    grid = tolerance_grid(reference, tolerance=0.01, reference_alpha=0.05)
    assert (_bets(grid, [BinCounts.empty(8)]) == 0).all()


def test_the_effective_size_falls_where_the_weights_follow_the_value():
    """Ten rows of weight 10 against 950 of weight 1: Kish's size would say 484 rows."""
    counts = BinCounts.of([10, 950], [100, 950], [1000, 950])
    size = side_shares(counts, weight_max=10.0).effective_n[0, 0]
    share = 100 / 1050
    spread = ((1 - share) ** 2 * 1000 + share**2 * 950) / 1050**2
    assert size == pytest.approx(share * (1 - share) / spread)
    assert size < 120 < counts.effective_n


@pytest.mark.parametrize(("hits", "rows"), [(0, 1000), (1, 50), (40, 50), (50, 50)])
def test_the_upper_bound_agrees_with_scipy(hits, rows):
    shares = SideShares(np.array(hits / rows), np.array(float(rows)))
    exact = stats.binomtest(hits, rows).proportion_ci(0.98).high
    assert float(upper_bound(shares, alpha=0.01)) == pytest.approx(exact)


def test_the_interval_holds_at_every_row_count_at_once():
    """400 runs, looked at after each of 500 rows: missed in at most 6 %, at any look."""
    rng = np.random.default_rng(12)
    rows = np.arange(1, 501)
    looks = rows[rows % 10 == 0]
    for p in (0.05, 0.5):
        seen = (rng.random((400, 500)) < p).cumsum(axis=1)
        missed = 0
        for run in seen:
            intervals = (anytime_interval(run[n - 1] / n, float(n), alpha=0.05) for n in looks)
            missed += any(not low <= p <= high for low, high in intervals)
        assert missed / 400 <= 0.06
