from bisect import bisect_left
from itertools import pairwise

import pytest
from watchkeeper import latency as of_sdk

from service.domain.latency import BEYOND, BUCKET_OF_NAME, BUCKETS, EDGES_MS, merge_counts


def test_the_sdk_has_the_same_table() -> None:
    assert tuple(of_sdk.EDGES_MS) == EDGES_MS


def test_the_edges_are_those_of_the_wire_format() -> None:
    assert EDGES_MS[:12] == (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120)
    assert EDGES_MS[-3:] == (400_000, 500_000, 600_000)


def test_neighbours_differ_by_a_third_at_most() -> None:
    assert all(low < high <= low * 4 / 3 for low, high in pairwise(EDGES_MS))


@pytest.mark.parametrize(
    ("latency_ms", "edge"),
    [
        (0.0, "10"),
        (10.0, "10"),
        (10.01, "12"),
        (1_200.0, "1200"),
        (6e5, "600000"),
        (6e5 + 1, BEYOND),
    ],
)
def test_an_edge_belongs_to_the_bucket_below_it(latency_ms: float, edge: str) -> None:
    assert BUCKET_OF_NAME[edge] == bisect_left(EDGES_MS, latency_ms)


def test_every_bucket_has_one_name() -> None:
    assert sorted(BUCKET_OF_NAME.values()) == list(range(BUCKETS))


def test_histograms_of_other_tables_are_not_added_up() -> None:
    with pytest.raises(ValueError, match="zip"):
        merge_counts((1, 2), (1, 2, 3))
