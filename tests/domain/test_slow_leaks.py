"""The slow-leak detector in simulation: what it finds, how soon, and how rarely it errs.

Measured at a setting of 0.05 false tickets a quarter and 10 SLOs of 28 days, after a healthy week
at burn 0.5 (200 runs each; hours from the beginning of the leak to the ticket, median and 95th
percentile):

    objective  scored/h   burn 1.2            burn 1.5     burn 2
    0.95       10         50 % in 35 days     191 / 315    72 / 117
    0.95       100        127 / 202           46 / 51      34 / 37
    0.90       10         432; 94 % in 35 d   107 / 179    40 / 62
    0.90       100        69 / 102            46 / 48      34 / 36

The last two columns of the dense streams are the time that it takes to spend a tenth of the budget.
Quarters with an alarm at burn 1 and a setting of 0.5 for one SLO, of 600: iid 8 %, traffic in
bursts 2 %, good calls kept with 0.05 and bad ones all 22 %, single bad hours 0.2 %.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.bets import BETS, Evidence, stakes, weigh_counts, weigh_scores
from service.domain.slis import Tally
from service.domain.slow_leaks import (
    HOUR,
    History,
    LeakPolicy,
    LeakReading,
    accumulate,
    has_recovered,
    history_of,
    likely_onset,
    log_mean,
    run_detectors,
    settle,
    stack,
    tally_of,
    without,
)

DAY, WEEK, QUARTER = 24, 168, 2190
POLICY = LeakPolicy(false_alarms=0.05)
NOTHING = weigh_scores([], [], 0.5)


def counted(
    rng: np.random.Generator, per_hour: float, bad: np.ndarray, objective: float
) -> History:
    """Calls of weight 1; `bad` has the probability of each hour."""
    n = rng.poisson(per_hour, len(bad))
    return binary(n - (lost := rng.binomial(n, bad)), lost, objective)


def binary(
    good: np.ndarray, bad: np.ndarray, objective: float, good_weight: float = 1.0
) -> History:
    """So many good and bad calls an hour, in closed form; the good ones weigh more."""
    hours = np.zeros(len(good), HOUR)
    one_good = weigh_scores([1.0], [good_weight], objective)
    one_bad = weigh_scores([0.0], [1.0], objective)
    hours["hour"] = np.arange(len(good))
    hours["n"], hours["good_n"], hours["bad_n"] = good + bad, good, bad
    hours["good_weight"] = np.where(good > 0, good_weight, 0.0)
    hours["w"], hours["bad_w"], hours["bad_w2"] = good * good_weight + bad, bad, bad
    hours["w2"] = good * good_weight**2 + bad
    hours["terms"] = np.outer(good, one_good.terms) + np.outer(bad, one_bad.terms)
    return hours


def peaks(histories: Sequence[History], hours: int, policy: LeakPolicy, threshold: float) -> object:
    """log M after each hour but those of the first week: (hours, runs)."""
    winnings = stack([settle(each, WEEK, hours, policy) for each in histories])
    return log_mean(accumulate(winnings, threshold, policy))


def iid(rng: np.random.Generator) -> History:
    return counted(rng, 20, np.full(QUARTER, 0.1), 0.9)


def bursty(rng: np.random.Generator) -> History:
    """Traffic comes in bursts: nearly nothing, then thirty times as much for some hours."""
    busy = np.repeat(rng.random(QUARTER // 6) < 0.2, 6)
    n = rng.poisson(np.where(busy, 90, 3))
    bad = rng.binomial(n, 0.1)
    return binary(n - bad, bad, 0.9)


def outcome_dependent(rng: np.random.Generator) -> History:
    """All bad calls are kept, and good ones with probability 0.05."""
    calls = rng.poisson(60, QUARTER)
    bad = rng.binomial(calls, 0.1)
    return binary(rng.binomial(calls - bad, 0.05), bad, 0.9, good_weight=20.0)


def bad_spells(rng: np.random.Generator) -> History:
    """One hour in ten is bad for half of its calls; the budget is spent as fast as it lasts."""
    spell = rng.random(QUARTER) < 0.1
    n = rng.poisson(20, QUARTER)
    bad = rng.binomial(n, np.where(spell, 0.5, 0.0555))
    return binary(n - bad, bad, 0.9)


@pytest.mark.parametrize("null", [iid, bursty, outcome_dependent, bad_spells])
def test_at_burn_one_false_alarms_stay_within_their_budget(null: object) -> None:
    runs = 120
    rng = np.random.default_rng(7)
    policy = LeakPolicy(false_alarms=0.5)
    histories = [null(rng) for _ in range(runs)]  # type: ignore[operator]
    threshold = policy.threshold(streams=1)
    ever = (peaks(histories, QUARTER, policy, threshold) >= np.log(threshold)).any(axis=0)
    # At most half of the runs may alarm; the bound is never used up.
    assert ever.mean() <= 0.35


def test_within_the_budget_it_never_alarms() -> None:
    rng = np.random.default_rng(11)
    histories = [counted(rng, 100, np.full(1008, 0.09), 0.9) for _ in range(50)]
    threshold = POLICY.threshold(10)
    assert np.max(peaks(histories, 1008, POLICY, threshold)) < np.log(threshold) - 3


def detection_hours(objective: float, per_hour: float, burn: float, runs: int = 40) -> np.ndarray:
    """From the beginning of a leak, after a healthy week; infinite where it is not found."""
    rng = np.random.default_rng(5)
    hours = WEEK + POLICY.looks_back
    bad = np.where(np.arange(hours) < WEEK, 0.5, burn) * (1 - objective)
    histories = [counted(rng, per_hour, bad, objective) for _ in range(runs)]
    threshold = POLICY.threshold(10)
    enough = peaks(histories, hours, POLICY, threshold) >= np.log(threshold)
    return np.array([ticket_at(*each, objective) for each in zip(histories, enough.T, strict=True)])


def ticket_at(history: History, enough: np.ndarray, objective: float) -> float:
    """When the evidence suffices and what was spent does, too."""
    for hour in np.flatnonzero(enough):
        end = WEEK + int(hour) + 1
        winnings = settle(history, WEEK, end, POLICY)
        onset = likely_onset(winnings, POLICY.threshold(10), POLICY)
        assert onset is not None
        since = tally_of(history, WEEK + onset, end)
        reading = LeakReading(end, 1.0, 1.0, 1, WEEK + onset, since, 1)
        if reading.spent(objective, timedelta(days=28)) >= POLICY.least_spent:
            return hour + 1.0
    return np.inf


@pytest.mark.parametrize(
    ("objective", "per_hour", "burn", "median"),
    [
        (0.95, 10, 1.5, 240),
        (0.95, 10, 2.0, 96),
        (0.95, 100, 1.2, 150),
        (0.95, 100, 1.5, 52),
        (0.95, 100, 2.0, 38),
        (0.9, 10, 1.2, 600),
        (0.9, 10, 1.5, 140),
        (0.9, 10, 2.0, 52),
        (0.9, 100, 1.2, 84),
        (0.9, 100, 1.5, 52),
        (0.9, 100, 2.0, 38),
    ],
)
def test_a_slow_leak_is_found(objective: float, per_hour: float, burn: float, median: int) -> None:
    hours = detection_hours(objective, per_hour, burn)
    assert np.median(hours) <= median
    assert np.min(hours) >= POLICY.hours_to_alarm


def test_a_leak_of_a_fifth_on_ten_calls_an_hour_is_found_by_every_third_run_at_least() -> None:
    assert np.isfinite(detection_hours(0.95, 10, 1.2)).mean() > 0.33


def test_an_outage_of_a_few_hours_is_no_slow_leak() -> None:
    rng = np.random.default_rng(3)
    bad = np.full(1008, 0.05)
    bad[500:504] = 1.0  # as much as a fourteenth of the budget
    (reading,) = run_detectors([counted(rng, 100, bad, 0.9)], [0], end=505, policy=POLICY)
    assert not reading.is_enough


VALUES = st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e4)), min_size=1, max_size=30)


@given(calls=VALUES, objective=st.floats(0.5, 0.999), cuts=st.data())
def test_order_batches_and_lateness_do_not_change_a_bit(
    calls: list[tuple[float, float]], objective: float, cuts: st.DataObject
) -> None:
    at_once = weigh(calls, objective)
    shuffled = cuts.draw(st.permutations(calls))
    at = cuts.draw(st.integers(0, len(calls)))
    late = weigh(shuffled[at:], objective) + weigh(shuffled[:at], objective)
    assert late.terms == at_once.terms
    assert (late.n, late.good_n, late.good_weight) == (
        at_once.n,
        at_once.good_n,
        at_once.good_weight,
    )
    assert late.bad_w == pytest.approx(at_once.bad_w)


def weigh(calls: Sequence[tuple[float, float]], objective: float) -> Evidence:
    values, weights = [each[0] for each in calls], [each[1] for each in calls]
    return weigh_scores(values, weights, objective)


@given(
    st.floats(0.5, 0.999),
    st.floats(0, 1),
    st.integers(0, BETS - 1),
    st.floats(0.02, 1),
    st.floats(0.02, 1),
)
def test_a_bet_is_fair_however_sampling_depends_on_the_outcome(
    objective: float, worse: float, bet: int, kept_good: float, kept_bad: float
) -> None:
    """Of calls worth 1 or `worse` with just the mean that is promised, for every bet in force."""
    worse *= objective
    if 1 / kept_good > 2**bet:
        return
    share_good = (objective - worse) / (1 - worse)
    stake = stakes(objective)[bet]
    mean_factor = 0.0
    for share, x, kept in ((share_good, 1.0, kept_good), (1 - share_good, worse, kept_bad)):
        factor = np.exp(weigh_scores([x], [1 / kept], objective).terms[bet])
        assert factor <= (1 + stake * (objective - x) / kept) * (1 + 1e-12)
        mean_factor += share * (kept * factor + 1 - kept)
    assert mean_factor <= 1 + 1e-9


def test_rows_of_a_kind_count_as_often_as_they_are() -> None:
    grouped = weigh_scores([1.0, 0.0], [1.0, 10.0], 0.9, rows=[3, 2])
    assert grouped == weigh_scores([1, 0, 1, 0, 1], [1, 10, 1, 10, 1], 0.9)
    assert NOTHING.terms == (0.0,) * BETS


@given(st.integers(0, 50), st.integers(0, 50))
def test_counted_calls_have_the_evidence_of_single_ones(good: int, bad: int) -> None:
    tally = Tally.from_counts(good + bad, bad)
    each = weigh_scores([1.0] * good + [0.0] * bad, [1.0] * (good + bad), 0.95)
    assert weigh_counts(tally, 0.95) == each


def test_a_heavier_call_than_any_before_is_not_bet_on_and_from_then_on_expected() -> None:
    hours = [weigh_scores([1.0] * 40, [1.0] * 40, 0.9) for _ in range(WEEK + 6)]
    hours[WEEK + 3] = weigh_scores([1.0] * 40, [10.0] * 40, 0.9)
    winnings = settle(history_of(list(enumerate(hours))), WEEK, WEEK + 6, POLICY)
    assert winnings.counted.tolist() == [True, True, True, False, True, True]
    assert winnings.log_factors[4, 0] == hours[WEEK + 4].terms[4], "2^4 is the next above 10"


def test_a_heavy_bad_call_needs_no_warning() -> None:
    hours = [weigh_scores([1.0] * 40, [1.0] * 40, 0.9) for _ in range(WEEK)]
    hours.append(weigh_scores([0.0], [1000.0], 0.9))
    assert settle(history_of(list(enumerate(hours))), WEEK, WEEK + 1, POLICY).counted.all()


def test_evidence_and_onset_are_those_of_the_leak() -> None:
    rng = np.random.default_rng(2)
    bad = np.where(np.arange(700) < 500, 0.05, 0.17)
    reading, quiet = run_detectors(
        [counted(rng, 50, bad, 0.9), counted(rng, 50, np.full(700, 0.05), 0.9)],
        [0, 0],
        end=700,
        policy=POLICY,
    )
    assert reading.is_enough
    assert reading.onset is not None
    assert abs(reading.onset - 500) < DAY
    assert reading.interval.lower < 0.17 < reading.interval.upper
    assert not quiet.is_enough
    assert (quiet.onset, quiet.since.n) == (None, 0)


def test_one_bad_day_is_not_worth_a_ticket_and_four_are() -> None:
    rng = np.random.default_rng(6)
    bad = np.where(np.arange(700) < 500, 0.04, 0.2)
    history = counted(rng, 100, bad, 0.9)
    one, four = (
        run_detectors([history], [0], end=500 + days * DAY, policy=POLICY)[0] for days in (1, 4)
    )
    window = timedelta(days=28)
    assert one.is_enough
    assert one.spent(0.9, window) < POLICY.least_spent < four.spent(0.9, window)


def test_hours_that_do_not_count_are_left_out() -> None:
    history = binary(np.full(10, 5), np.full(10, 1), 0.9)
    assert without(history, {3, 4, 99})["hour"].tolist() == [0, 1, 2, 5, 6, 7, 8, 9]
    assert len(without(history, ())) == 10


def test_it_starts_anew_after_an_alert_was_cleared() -> None:
    rng = np.random.default_rng(2)
    history = counted(rng, 50, np.where(np.arange(700) < 500, 0.05, 0.17), 0.9)
    (anew,) = run_detectors([history], [690], end=700, policy=POLICY)
    assert anew.hours_seen == 10
    assert not anew.is_enough
    (later,) = run_detectors([history], [900], end=700, policy=POLICY)
    assert (later.hours_seen, later.e_value) == (0, 0.0)


def test_it_is_over_when_the_upper_bound_says_so_and_never_by_silence() -> None:
    rng = np.random.default_rng(4)
    bad = np.concatenate([np.full(400, 0.2), np.full(200, 0.03)])
    history = counted(rng, 30, bad, 0.9)
    assert not has_recovered(history, 400, 0.9, POLICY)
    assert not has_recovered(history, 412, 0.9, POLICY)
    assert has_recovered(history, 424, 0.9, POLICY)
    assert not has_recovered(history[:424], 424 + DAY, 0.9, POLICY)


def test_a_thin_stream_has_a_week_to_prove_that_it_is_over() -> None:
    history = binary(np.ones(900, np.int64), np.zeros(900, np.int64), 0.95)
    leak = binary(np.zeros(700, np.int64), np.ones(700, np.int64), 0.95)
    history[:700] = leak
    over = [end for end in range(700, 900) if has_recovered(history, end, 0.95, POLICY)]
    assert over[0] == 700 + 3 * DAY
