"""Tallies add up, and their intervals are those of Clopper and Pearson."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from service.domain.slis import ImpossibleTallyError, Tally

SCORES = st.lists(
    st.tuples(st.floats(0, 1), st.floats(1, 1000), st.booleans()), min_size=1, max_size=30
)
Scores = list[tuple[float, float, bool]]


def tally_of(scores: Scores, scale: float = 1.0) -> Tally:
    return Tally.sum(Tally.from_score(x, w * scale, bad=bad) for x, w, bad in scores)


def close(one: Tally, other: Tally) -> bool:
    pairs = zip(astuple(one), astuple(other), strict=True)
    return all(math.isclose(a, b, rel_tol=1e-9) for a, b in pairs)


@given(SCORES, st.integers(0, 30))
def test_parts_merge_to_the_whole_wherever_they_are_cut(scores: Scores, cut: int) -> None:
    parts = tally_of(scores[:cut]) + tally_of(scores[cut:])
    assert close(parts, tally_of(scores))
    assert parts + Tally.ZERO == parts


@given(SCORES.flatmap(lambda scores: st.tuples(st.just(scores), st.permutations(scores))))
def test_the_order_of_scores_changes_nothing(pair: tuple[Scores, Scores]) -> None:
    one, other = tally_of(pair[0]), tally_of(pair[1])
    assert close(one, other)
    assert one.interval() == pytest.approx(other.interval())


@given(SCORES, st.floats(0.01, 1000))
def test_sampling_all_calls_less_often_leaves_ratio_and_interval(
    scores: Scores, scale: float
) -> None:
    one, other = tally_of(scores), tally_of(scores, scale)
    assert one.bad_ratio == pytest.approx(other.bad_ratio)
    assert one.mean == pytest.approx(other.mean)
    assert one.effective_n == pytest.approx(other.effective_n)
    assert one.interval() == pytest.approx(other.interval())


@given(SCORES)
def test_weighted_calls_are_never_worth_more_than_their_number(scores: Scores) -> None:
    tally = tally_of(scores)
    assert 0 < tally.effective_n <= len(scores) * (1 + 1e-6)
    lower, upper = tally.interval()
    assert 0 <= lower <= (tally.bad_ratio or 0) + 1e-9
    assert (tally.bad_ratio or 0) - 1e-9 <= upper <= 1


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_counts_have_the_exact_interval(total: int, share: float, confidence: float) -> None:
    bad = round(share * total)
    tally = Tally.from_counts(total, bad)
    exact = binomtest(bad, total).proportion_ci(confidence, method="exact")
    assert tally.interval(confidence) == pytest.approx((exact.low, exact.high))
    greater = binomtest(bad, total, alternative="greater").proportion_ci(confidence)
    less = binomtest(bad, total, alternative="less").proportion_ci(confidence)
    assert tally.lower_bound(confidence) == pytest.approx(greater.low)
    assert tally.upper_bound(confidence) == pytest.approx(less.high)


def test_nothing_counted_is_no_ratio_and_the_widest_interval() -> None:
    assert Tally.ZERO.bad_ratio is None
    assert Tally.ZERO.mean is None
    assert Tally.ZERO.effective_n == 0
    assert Tally.ZERO.interval() == (0, 1)


def test_a_ratio_of_windows_is_total_bad_by_total() -> None:
    busy, idle = Tally.from_counts(1000, 10), Tally.from_counts(10, 10)
    assert (busy + idle).bad_ratio == pytest.approx(20 / 1010)


def test_effective_bad_is_rounded_down_for_the_lower_bound_and_up_for_the_upper() -> None:
    # Worth 1.8 calls, of which 0.6 are bad: none of two, or one of two.
    tally = Tally(n=2, w=3.0, w2=5.0, wx=2.0, wx2=2.0, bad_n=1, bad_w=1.0, bad_w2=1.0)
    assert tally.effective_n == pytest.approx(1.8)
    assert tally.lower_bound() == 0
    assert tally.upper_bound() == Tally.from_counts(2, 1).upper_bound()


@pytest.mark.parametrize(
    ("kept_bad", "kept_good"), [(1.0, 1.0), (0.1, 0.1), (0.1, 1.0), (1.0, 0.1)]
)
@pytest.mark.parametrize("bad_ratio", [0.05, 0.5])
def test_the_lower_bound_holds_when_bad_calls_are_kept_more_or_less_often(
    kept_bad: float, kept_good: float, bad_ratio: float
) -> None:
    rng = np.random.default_rng(20230613)
    runs, held = 1500, 0
    for _ in range(runs):
        bad = rng.binomial(2000, bad_ratio)
        b, g = int(rng.binomial(bad, kept_bad)), int(rng.binomial(2000 - bad, kept_good))
        wb, wg = 1 / kept_bad, 1 / kept_good
        tally = Tally(
            n=b + g,
            w=b * wb + g * wg,
            w2=b * wb**2 + g * wg**2,
            bad_n=b,
            bad_w=b * wb,
            bad_w2=b * wb**2,
        )
        held += tally.lower_bound(0.99) <= bad_ratio
    # Three standard errors below 0.99.
    assert held / runs >= 0.982


@pytest.mark.parametrize(
    "fields",
    [
        {"n": -1},
        {"n": 1, "w": 1, "w2": 1, "bad_n": 2, "bad_w": 2, "bad_w2": 2},
        {"n": 2, "w": 2, "w2": 2, "bad_n": 1, "bad_w": 3, "bad_w2": 1},
        {"n": 1, "w": math.nan, "w2": 1},
        {"n": 1, "w": math.inf, "w2": 1},
        {"n": 1, "w": 0, "w2": 0},
        {"n": 0, "w": 1, "w2": 1},
        {"n": 0, "wx": 1},
        {"n": 2, "w": 2, "w2": 2, "bad_n": 1},
        {"n": 2, "w": 20, "w2": 20},
        {"n": 1, "w": 1, "w2": 1, "wx": -1},
    ],
)
def test_impossible_counts_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ImpossibleTallyError, match="Impossible counts"):
        Tally(**fields)  # type: ignore[arg-type]
    with pytest.raises(ImpossibleTallyError):
        Tally.from_counts(total=3, bad=4)
