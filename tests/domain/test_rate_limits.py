from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.rate_limits import BURST_S, admit


@given(per_s=st.integers(1, 10_000), sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=50))
def test_what_is_refused_is_admitted_after_the_wait_that_was_told(
    per_s: int, sizes: list[int]
) -> None:
    done_at_s, now_s = 0.0, 1_000.0
    for items in sizes:
        done_at_s, wait_s = admit(done_at_s, items, per_s=per_s, now_s=now_s)
        if wait_s:
            now_s += wait_s + 1e-9  # of rounding
            done_at_s, wait_s = admit(done_at_s, items, per_s=per_s, now_s=now_s)
            assert wait_s == 0


@given(
    per_s=st.integers(1, 1_000),
    arrivals=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 100)), max_size=200),
)
def test_never_more_comes_in_than_the_limit_the_burst_and_one_batch(
    per_s: int, arrivals: list[tuple[int, int]]
) -> None:
    done_at_s, now_s, admitted, largest = 0.0, 0.0, 0, 0
    for pause, items in arrivals:
        now_s += pause
        done_at_s, wait_s = admit(done_at_s, items, per_s=per_s, now_s=now_s)
        admitted += 0 if wait_s else items
        largest = max(largest, items)
    assert admitted <= Fraction(now_s + BURST_S) * per_s + largest


def test_a_key_that_kept_silent_gains_no_more_than_the_burst() -> None:
    done_at_s, admitted = 0.0, 0
    for _ in range(30):
        done_at_s, wait_s = admit(done_at_s, 10, per_s=10, now_s=1e6)
        admitted += 0 if wait_s else 10
    assert admitted == BURST_S * 10 + 10


@pytest.mark.parametrize("wait_s", [5.0, 1.0])
def test_at_the_very_moment_that_was_told_the_batch_passes(wait_s: float) -> None:
    state, told = admit(100.0 + BURST_S + wait_s, 1, per_s=10, now_s=100.0)
    assert (state, told) == (110.0 + wait_s, wait_s)
    assert admit(state, 1, per_s=10, now_s=100.0 + told)[1] == 0


def test_a_refusal_changes_nothing() -> None:
    state, _ = admit(200.0, 50, per_s=10, now_s=100.0)
    assert state == 200.0


def test_a_batch_larger_than_the_burst_is_admitted_by_a_key_without_debt() -> None:
    assert admit(0.0, 5_000, per_s=1, now_s=100.0) == (5_100.0, 0.0)
