from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from service.domain.alert_windows import propose_catalogue
from service.domain.slis import Interval, Tally
from service.domain.slos import Indicator, Slo
from service.domain.weekly_report import (
    Amount,
    Attainment,
    SloCounts,
    SloReport,
    Usage,
    compare,
    judge_objective,
    report_slo,
)

WINDOW = timedelta(days=28)
QUALITY = Indicator("quality", "answer", "production", "expected_answer")
SLO = Slo("correct", "support", QUALITY, 0.8, WINDOW, propose_catalogue(0.8, WINDOW))


def attained(total: int, bad: int) -> Attainment:
    return Attainment.of(Tally.from_counts(total, bad))


def report(
    week: Tally,
    before: Tally = Tally.ZERO,
    *,
    awaiting: int = 0,
    other: int = 0,
    version: str = "1",
) -> SloReport:
    usage = Usage(100, 1.5)
    counts = SloCounts(week, before, week, usage, Usage(50, 2.0), awaiting, other)
    return report_slo(SLO, "Correct", version or None, counts, ())


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


def test_no_data_is_never_zero_percent() -> None:
    found = Attainment.of(Tally.ZERO)
    assert (found.good_ratio, found.interval, found.n) == (None, None, 0)
    shown = report(Tally.ZERO)
    assert shown.held == "cannot tell"
    assert shown.sentence.startswith("No data: no answer was scored")
    assert shown.budget.spent is None


@pytest.mark.parametrize(
    ("before_bad", "direction"), [(500, "better"), (20, "worse"), (160, "cannot tell")]
)
def test_a_change_is_named_only_where_intervals_do_not_overlap(
    before_bad: int, direction: str
) -> None:
    change = compare(attained(1000, 150), attained(1000, before_bad))
    assert change.direction == direction
    assert change.difference == pytest.approx((before_bad - 150) / 1000)


def test_touching_intervals_overlap() -> None:
    low = Attainment(0.5, Interval(0.4, 0.6), 100, 100)
    high = Attainment(0.7, Interval(0.6, 0.8), 100, 100)
    assert compare(high, low).direction == "cannot tell"


def test_without_the_week_before_there_is_nothing_to_compare() -> None:
    shown = report(Tally.from_counts(1000, 100))
    assert (shown.change.difference, shown.change.direction) == (None, "cannot tell")
    assert "the week before has no data" in shown.sentence


def test_the_sentence_says_what_the_interval_allows() -> None:
    before = Tally.from_counts(1000, 160)
    assert report(Tally.from_counts(1000, 500), before).sentence == (
        "The objective did not hold: the whole interval lies below it. Worse than the week before."
    )
    assert report(Tally.from_counts(10, 2), before).sentence == (
        "Cannot tell: the objective lies within the interval; only more scored answers would "
        "narrow it. No certain change against the week before."
    )


def test_what_a_reader_must_know_stands_beside_the_figures() -> None:
    notes = " ".join(report(Tally.ZERO, awaiting=12, other=30, version="").notes)
    assert "12 samples of this week still await their score" in notes
    assert "30 answers of this week were scored by another version" in notes
    assert "no longer declares the evaluator expected_answer" in notes
    assert report(Tally.from_counts(10, 1)).notes == ()


def test_amounts_are_compared_with_the_week_before() -> None:
    shown = report(Tally.ZERO)
    assert shown.calls.relative_change == pytest.approx(1.0)
    assert shown.cost_usd.relative_change == pytest.approx(-0.25)
    assert Amount(5, 0).relative_change is None
