from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.latency import BIN_NAMES, EDGES_MS, bin_of


def test_the_edges_are_ten_steps_a_decade_up_to_ten_minutes():
    assert EDGES_MS[:11] == (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)
    assert EDGES_MS[-4:] == (300_000, 400_000, 500_000, 600_000)
    assert len(EDGES_MS) == 49
    assert BIN_NAMES[-2:] == ("600000", "inf")


@given(st.floats(0, 1e12))
def test_a_call_belongs_to_the_first_edge_not_below_its_latency(latency_ms):
    place = bin_of(latency_ms)
    assert place == bisect_left(EDGES_MS, latency_ms)
    assert place == len(EDGES_MS) or latency_ms <= EDGES_MS[place]
    assert place == 0 or EDGES_MS[place - 1] < latency_ms


def test_latencies_are_counted_for_every_call_that_has_one(server, client):
    wk = client(sample_rate=0.0)
    for latency_ms in (3, 10.0, 812, 812.5, 2e6, None, -1, float("nan")):
        wk.record(task="t", latency_ms=latency_ms)
    wk.flush()
    [row] = server.counts
    assert row["latency_counts"] == {"10": 2, "1000": 2, "inf": 1}
    assert row["calls"] == 8


@pytest.mark.parametrize("latency_ms", [None, "soon"])
def test_calls_without_a_latency_have_no_histogram(server, client, latency_ms):
    wk = client()
    wk.record(task="t", latency_ms=latency_ms)
    wk.flush()
    assert server.counts[0]["latency_counts"] == {}
