from datetime import timedelta

import pytest

from service.domain.alert_windows import propose_catalogue
from service.domain.attainment import Attainment
from service.domain.coverage import StretchCounts, Versions
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.domain.weekly_report import Amount, SloCounts, SloReport, Usage, report_slo

WINDOW = timedelta(days=28)
QUALITY = Indicator("quality", "answer", "production", "expected_answer")
SLO = Slo("correct", "support", QUALITY, 0.8, WINDOW, propose_catalogue(0.8, WINDOW))


def report(
    week: Tally,
    before: Tally = Tally.ZERO,
    *,
    awaiting: int = 0,
    other: int = 0,
    failed: int = 0,
    in_force: str = "1",
) -> SloReport:
    """By version 1; `other` and the like are of the week."""
    counted = StretchCounts(week, other, awaiting, failed)
    counts = SloCounts(counted, StretchCounts(before), counted, Usage(100, 1.5), Usage(50, 2.0))
    return report_slo(SLO, "Correct", Versions("1", in_force or None), counts, ())


def test_no_data_is_never_zero_percent() -> None:
    found = Attainment.of(Tally.ZERO)
    assert (found.good_ratio, found.interval, found.n) == (None, None, 0)
    shown = report(Tally.ZERO)
    assert shown.held == "cannot tell"
    assert shown.sentence.startswith("No data: no answer was scored")
    assert shown.budget.spent is None


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
    notes = " ".join(report(Tally.ZERO, awaiting=12, other=30, failed=4, in_force="").notes)
    assert "12 samples of this week still await their score" in notes
    assert "30 answers of this week were scored by other versions" in notes
    assert "that the evaluator failed on, and that have no score: 4" in notes
    assert "no longer declares the evaluator expected_answer" in notes
    assert "only 0 of 46 answers of it are counted" in notes
    assert report(Tally.from_counts(10, 1)).notes == ()


@pytest.mark.parametrize(("unseen", "held"), [(100, "no"), (101, "cannot tell")])
@pytest.mark.parametrize("reason", ["awaiting", "other", "failed"])
def test_a_tenth_may_be_unseen_for_whatever_reason(reason: str, unseen: int, held: str) -> None:
    week, before = Tally.from_counts(900, 400), Tally.from_counts(1000, 100)
    shown = report(week, before, **{reason: unseen})  # type: ignore[arg-type]
    assert shown.held == held
    assert (shown.change.direction == "worse") == (held == "no")
    assert shown.change.interval is not None
    if held == "cannot tell":
        assert shown.sentence.startswith("Cannot tell: only 900 of 1,001 answers of this week")
        assert "Cannot tell what changed: too little of this week is counted." in shown.sentence


def test_amounts_are_compared_with_the_week_before() -> None:
    shown = report(Tally.ZERO)
    assert shown.calls.relative_change == pytest.approx(1.0)
    assert shown.cost_usd.relative_change == pytest.approx(-0.25)
    assert Amount(5, 0).relative_change is None
