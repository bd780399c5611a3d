from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from service.domain.attainment import Attainment, compare, judge_objective
from service.domain.slis import Interval, Tally


def attained(total: int, bad: int) -> Attainment:
    return Attainment.of(Tally.from_counts(total, bad))


@given(total=st.integers(1, 5000), share=st.floats(0, 1))
def test_the_interval_is_clopper_pearsons_of_the_good_ones(total: int, share: float) -> None:
    good = round(total * share)
    found = attained(total, total - good)
    exact = binomtest(good, total).proportion_ci(0.95, "exact")
    assert found.good_ratio == pytest.approx(good / total)
    assert found.interval == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(total=st.integers(0, 3000), share=st.floats(0, 1), objective=st.floats(0.01, 0.99))
def test_held_is_yes_or_no_only_with_the_whole_interval(
    total: int, share: float, objective: float
) -> None:
    found = attained(total, round(total * share))
    held = judge_objective(found, objective)
    if found.interval is None:
        assert held == "cannot tell"
    else:
        lower, upper = found.interval
        assert (held == "yes") == (lower >= objective)
        assert (held == "no") == (upper < objective)


@pytest.mark.parametrize(
    ("before_bad", "direction"), [(500, "better"), (20, "worse"), (160, "cannot tell")]
)
def test_a_change_is_named_only_where_its_interval_does_not_cover_zero(
    before_bad: int, direction: str
) -> None:
    change = compare(attained(1000, 150), attained(1000, before_bad))
    assert change.direction == direction
    assert change.difference == pytest.approx((before_bad - 150) / 1000)


def test_a_change_can_be_certain_though_the_two_intervals_overlap() -> None:
    now, before = attained(1000, 200), attained(1000, 160)
    assert now.interval is not None
    assert before.interval is not None
    assert now.interval.upper > before.interval.lower
    assert compare(now, before).direction == "worse"


def test_an_interval_that_ends_at_zero_covers_it() -> None:
    low = Attainment(0.5, Interval(0.5, 0.5), 100, 100)
    high = Attainment(0.7, Interval(0.5, 0.8), 100, 100)
    change = compare(high, low)
    assert change.interval is not None
    assert change.interval.lower == pytest.approx(0)
    assert change.direction == "cannot tell"


@given(
    totals=st.tuples(st.integers(1, 2000), st.integers(1, 2000)),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_the_interval_holds_the_difference_and_turns_with_it(
    totals: tuple[int, int], shares: tuple[float, float]
) -> None:
    now, before = (attained(n, round(n * s)) for n, s in zip(totals, shares, strict=True))
    there, back = compare(now, before), compare(before, now)
    assert there.difference is not None
    assert there.interval is not None
    assert back.interval is not None
    lower, upper = there.interval
    assert -1 <= lower <= there.difference <= upper <= 1
    assert (-back.interval.upper, -back.interval.lower) == pytest.approx((lower, upper))


@pytest.mark.parametrize(("first", "second"), [(0.84, 0.84), (0.9, 0.8), (0.99, 0.97), (0.5, 0.2)])
def test_the_interval_holds_the_true_difference_in_95_of_100_weeks(
    first: float, second: float
) -> None:
    totals = 60, 90
    by_good = [[attained(n, n - good) for good in range(n + 1)] for n in totals]
    chances = [binom.pmf(range(n + 1), n, p) for n, p in zip(totals, (first, second), strict=True)]
    held = 0.0
    for now, before in product(range(totals[0] + 1), range(totals[1] + 1)):
        interval = compare(by_good[0][now], by_good[1][before]).interval
        assert interval is not None
        if interval.lower <= first - second <= interval.upper:
            held += chances[0][now] * chances[1][before]
    assert held >= 0.95
