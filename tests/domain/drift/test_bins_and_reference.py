"""Bins are exact at their edges, counts add up, references survive storage."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.drift.bins import BinCounts, UnusableValuesError, bin_values
from service.domain.drift.reference import (
    GRID_QUANTILES,
    InsufficientReference,
    Reference,
    build_reference,
)

grades = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
numbers = st.floats(-1e6, 1e6) | grades
edge_lists = st.lists(numbers, min_size=1, max_size=7, unique=True).map(sorted)
row_lists = st.lists(st.tuples(numbers, st.sampled_from([1.0, 2.0, 10.0])), max_size=40)


def _count(rows, edges) -> BinCounts:
    return BinCounts.of_rows([v for v, _ in rows], [w for _, w in rows], edges)


def _plain(counts: BinCounts):
    return counts.n.tolist(), counts.w.tolist(), counts.w2.tolist()


@given(st.lists(numbers), edge_lists)
def test_a_bin_holds_what_is_above_its_lower_edge_and_up_to_its_upper_one(values, edges):
    bounds = [-np.inf, *edges, np.inf]
    for value, at in zip(values, bin_values(values, edges).tolist(), strict=True):
        assert bounds[at] < value <= bounds[at + 1]


@given(row_lists, edge_lists, st.randoms(use_true_random=False))
def test_the_order_of_rows_within_a_batch_does_not_matter(rows, edges, random):
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert _plain(_count(shuffled, edges)) == _plain(_count(rows, edges))


@given(row_lists, row_lists, edge_lists)
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(some, others, edges):
    assert _plain(_count(some, edges) + _count(others, edges)) == _plain(
        _count(some + others, edges)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_and_weights_that_are_not_finite_are_refused(bad):
    with pytest.raises(UnusableValuesError):
        bin_values([1.0, bad], [1.0])
    with pytest.raises(UnusableValuesError):
        BinCounts.of_rows([1.0], [bad], [1.0])
    with pytest.raises(UnusableValuesError):
        build_reference([bad] * 1000, np.ones(1000))


@pytest.mark.parametrize("weights", [[0.0, 1.0], [-1.0, 1.0], [1.0]])
def test_each_row_needs_a_positive_weight(weights):
    with pytest.raises(UnusableValuesError):
        BinCounts.of_rows([1.0, 2.0], weights, [1.0])


def test_fewer_than_1000_rows_are_no_reference():
    assert build_reference(np.arange(999), np.ones(999)) == InsufficientReference(rows=999)


def test_the_edges_of_a_continuous_reference_are_its_quantiles():
    reference = build_reference(np.arange(1, 2001), np.ones(2000))
    assert isinstance(reference, Reference)
    assert reference.edges == (100.0, 200.0, 500.0, 1000.0, 1500.0, 1800.0, 1900.0)
    assert reference.n == (100, 100, 300, 500, 500, 300, 100, 100)


def test_the_edges_follow_the_weights():
    values = np.arange(1, 2001)
    reference = build_reference(values, np.where(values <= 1000, 3.0, 1.0))
    assert isinstance(reference, Reference)
    assert reference.edges[3] == 667.0  # 3 x 667 is just above half of 4000
    assert reference.weight_max == 3.0
    assert reference.rows == 2000
    assert reference.effective_n == pytest.approx(1600.0)


def test_a_nearly_constant_reference_has_an_edge_below_its_atom():
    reference = build_reference(np.repeat([0.0, 1.0], [10, 990]), np.ones(1000))
    assert isinstance(reference, Reference)
    assert reference.edges == (np.nextafter(1.0, 0.0), 1.0)
    assert reference.n == (10, 990, 0)


@given(st.lists(grades, min_size=1000, max_size=1000))
def test_a_discrete_reference_never_has_more_edges_than_quantiles(values):
    reference = build_reference(values, np.ones(1000))
    assert isinstance(reference, Reference)
    assert len(reference.edges) <= len(GRID_QUANTILES)
    assert list(reference.edges) == sorted(set(reference.edges))


def test_a_reference_survives_json_exactly():
    rng = np.random.default_rng(1)
    reference = build_reference(rng.normal(size=1500).round(1), rng.uniform(1, 3, 1500))
    assert isinstance(reference, Reference)
    stored = json.loads(json.dumps(reference.to_document()))
    assert Reference.from_document(stored) == reference
