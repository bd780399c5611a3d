"""Firing, healthy or unknown, as a table."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.alert_windows import AlertTier, Severity
from service.domain.burn_rate import (
    SloPolicy,
    SloVerdict,
    TierVerdict,
    WindowReading,
    budget,
    burn_rate,
    judge_slo,
    judge_tier,
)
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WINDOW = timedelta(days=28)
MINUTE = timedelta(minutes=1)
# Fires above 40 % bad answers, over 2 h 24 m and 12 m.
TIER = AlertTier.of("page", timedelta(minutes=144), 2.0, WINDOW)
QUALITY = Indicator("quality", "prime", "production", "expected_answer")
SLO = Slo("correct", "support", QUALITY, 0.80, WINDOW, (TIER,))


def reading(total: int, bad: int, *, age: timedelta = MINUTE, unscored: int = 0) -> WindowReading:
    return WindowReading(Tally.from_counts(total, bad), unscored=unscored, newest_at=NOW - age)


def judge(
    long: WindowReading, short: WindowReading, *, was_alerting: bool = False, slo: Slo = SLO
) -> TierVerdict:
    tier = slo.tiers[0]
    return judge_tier(slo, tier, long=long, short=short, now=NOW, was_alerting=was_alerting)


def test_the_workbook_burn_rates() -> None:
    exhausted_in_days = {1: 30, 2: 15, 10: 3, 1000: 0.03}
    for rate, days in exhausted_in_days.items():
        assert burn_rate(bad_ratio=rate * 0.001, objective=0.999) == pytest.approx(rate)
        assert 30 / rate == pytest.approx(days)


@pytest.mark.parametrize(
    ("long", "short", "status"),
    [
        pytest.param((400, 240), (30, 18), "firing", id="both windows burn, and it is certain"),
        pytest.param((400, 240), (30, 12), "healthy", id="the short window is at the factor"),
        pytest.param((400, 240), (30, 13), "firing", id="the short window is above the factor"),
        pytest.param((40, 20), (30, 18), "healthy", id="the long window could burn by chance"),
        pytest.param((400, 160), (30, 18), "healthy", id="the long window is at the factor"),
        pytest.param((6, 6), (6, 6), "firing", id="as few as can fire"),
        pytest.param((5, 5), (5, 5), "unknown", id="too few to ever fire"),
        pytest.param((400, 240), (0, 0), "unknown", id="nothing in the short window"),
        pytest.param((0, 0), (0, 0), "unknown", id="nothing at all"),
    ],
)
def test_a_tier_that_was_not_alerting(
    long: tuple[int, int], short: tuple[int, int], status: str
) -> None:
    verdict = judge(reading(*long), reading(*short))
    assert verdict.status == status
    assert verdict.alerting is (status == "firing")


@pytest.mark.parametrize(
    ("long", "short", "status", "alerting"),
    [
        pytest.param((400, 100), (30, 18), "firing", True, id="short window still burns"),
        pytest.param(
            (400, 240), (30, 4), "healthy", False, id="the short window is certainly well"
        ),
        pytest.param(
            (400, 240), (30, 11), "firing", True, id="the short one may be well by chance"
        ),
        pytest.param((400, 150), (30, 11), "healthy", False, id="both windows are well"),
        pytest.param((400, 240), (0, 0), "unknown", True, id="nothing in the short window"),
        pytest.param((4, 4), (2, 2), "unknown", True, id="too few to judge"),
        pytest.param((4, 1), (2, 0), "healthy", False, id="few, but none that burns"),
    ],
)
def test_a_tier_that_was_alerting(
    long: tuple[int, int], short: tuple[int, int], status: str, alerting: bool
) -> None:
    verdict = judge(reading(*long), reading(*short), was_alerting=True)
    assert (verdict.status, verdict.alerting) == (status, alerting)


def test_short_window_clears_the_page() -> None:
    burning = judge(reading(1400, 900), reading(120, 80))
    over = judge(reading(1400, 900), reading(120, 20), was_alerting=burning.alerting)
    assert burning.status == "firing"
    assert over.status == "healthy"


def burning(**changes: object) -> WindowReading:
    return replace(reading(400, 240), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("long", "cause", "reason"),
    [
        (
            burning(newest_at=NOW - timedelta(minutes=11), missed_calls=7.2),
            "silence",
            "no scored answer for 11 m; about 7 were to be expected in that time",
        ),
        (
            burning(observed_slices=10, expected_slices=12),
            "gaps",
            "only 10 of the 12 time slices of the last 2 h 24 m were observed (83%; 90% are "
            "needed)",
        ),
        (
            burning(unscored=45),
            "backlog",
            "45 of the 445 samples of the last 2 h 24 m have no score (10%; at most 10% may lack "
            "it): they wait for a worker, or their evaluator fails",
        ),
        (
            reading(5, 5),
            "too_few",
            "5 calls' worth of evidence in the last 2 h 24 m; this tier needs 6 to fire at all",
        ),
        (
            reading(0, 0),
            "too_few",
            "0 calls' worth of evidence in the last 2 h 24 m; this tier needs 6 to fire at all",
        ),
        (WindowReading(Tally.ZERO), "silence", "no scored answer in the last 35 d"),
    ],
)
@pytest.mark.parametrize("was_alerting", [True, False])
def test_unknown_freezes_the_alert_and_says_why(
    long: WindowReading, cause: str, reason: str, was_alerting: bool
) -> None:
    verdict = judge(long, reading(5, 5), was_alerting=was_alerting)
    assert (verdict.status, verdict.cause, verdict.reason) == ("unknown", cause, reason)
    assert verdict.alerting is was_alerting


@pytest.mark.parametrize(
    "long",
    [
        burning(newest_at=NOW - timedelta(minutes=10), missed_calls=100.0),
        burning(newest_at=NOW - timedelta(hours=2), missed_calls=6.9),
        burning(observed_slices=11, expected_slices=12),
        burning(unscored=44),
    ],
)
def test_what_is_allowed_is_not_unknown(long: WindowReading) -> None:
    assert judge(long, reading(30, 18)).status == "firing"


def test_a_backlog_in_the_short_window_matters_where_the_answer_hangs_on_it() -> None:
    short = reading(10, 8, unscored=5)
    assert judge(reading(400, 240), short).cause == "backlog"
    assert judge(reading(400, 80), short).status == "healthy"


def test_too_few_calls_are_no_backlog() -> None:
    assert judge(reading(1, 0, unscored=1), reading(1, 0, unscored=1)).cause == "too_few"


def test_the_policy_is_what_is_strict() -> None:
    lenient = SloPolicy(confidence=0.5)
    long, short = reading(40, 20), reading(30, 18)
    assert judge_tier(SLO, TIER, long=long, short=short, now=NOW).status == "healthy"
    judged = judge_tier(SLO, TIER, long=long, short=short, now=NOW, policy=lenient)
    assert judged.status == "firing"


def test_an_alert_explains_itself_with_numbers() -> None:
    verdict = judge(reading(40, 28), reading(30, 18))
    assert verdict.reason == (
        "28 of 40 scored answers did not pass expected_answer in the last 2 h 24 m: 3.50 times the "
        "sustainable rate (at least 2.53 with 99% confidence), 3.00 times in the last 12 m; the "
        "page threshold is 2"
    )
    assert verdict.long_burn == pytest.approx(3.5)
    assert verdict.long_burn_at_least == pytest.approx(2.53, abs=0.01)
    assert verdict.short_burn == pytest.approx(3.0)


def test_availability_speaks_of_calls_and_weights_are_told() -> None:
    calls = replace(SLO, indicator=Indicator("availability", "prime", "production"))
    assert judge(reading(40, 28), reading(30, 18), slo=calls).reason.startswith(
        "28 of 40 calls failed in the last 2 h 24 m: 3.50 times"
    )
    weighted = Tally(n=20, w=110, w2=1010, bad_n=10, bad_w=10, bad_w2=10)
    long = WindowReading(weighted, newest_at=NOW)
    assert "10 of 20 scored answers did not pass expected_answer (9.1% by weight)" in (
        judge(long, reading(30, 18)).reason
    )


PAGES_AND_TICKETS: tuple[tuple[Severity, int, float], ...] = (
    ("page", 1, 13.44),
    ("page", 6, 5.6),
    ("ticket", 24, 2.8),
    ("ticket", 60, 1.12),
)
# Not the standard catalogue: there one tier's long window is another one's short window.
FOUR = tuple(
    AlertTier.of(severity, timedelta(hours=hours), factor, WINDOW)
    for severity, hours, factor in PAGES_AND_TICKETS
)
FOUR_TIERS = replace(SLO, objective=0.99, tiers=FOUR)


def judge_all(
    readings: Sequence[tuple[WindowReading, WindowReading]], previous: Sequence[str] = ()
) -> SloVerdict:
    """(long, short) of the four tiers, fastest first."""
    by_length: dict[timedelta, WindowReading] = {}
    for tier, (long, short) in zip(FOUR_TIERS.tiers, readings, strict=True):
        by_length |= {tier.long: long, tier.short: short}
    return judge_slo(FOUR_TIERS, by_length, NOW, previous=previous)


WELL = (reading(1000, 5), reading(100, 0))
ILL = (reading(1000, 500), reading(100, 50))
EMPTY = (reading(0, 0), reading(0, 0))
BLIND = (burning(observed_slices=1, expected_slices=12), reading(100, 50))
PAGE, TICKET = FOUR_TIERS.tiers[0].key, FOUR_TIERS.tiers[3].key


def test_page_absorbs_ticket() -> None:
    verdict = judge_all([WELL, ILL, ILL, ILL])
    assert (verdict.status, verdict.severity) == ("firing", "page")
    assert "in the last 6 h:" in verdict.sentence
    assert judge_all([WELL, WELL, WELL, ILL]).severity == "ticket"


def test_a_healthy_slo_says_what_its_longest_window_saw() -> None:
    verdict = judge_all([WELL] * 4)
    assert (verdict.status, verdict.severity, verdict.alerting) == ("healthy", None, False)
    assert verdict.sentence.startswith("5 of 1000 scored answers did not pass expected_answer in")
    assert "in the last 2 d 12 h:" in verdict.sentence


def test_slow_tiers_judge_for_the_fast_ones_of_a_thin_stream() -> None:
    assert judge_all([EMPTY, EMPTY, WELL, WELL]).status == "healthy"
    assert judge_all([EMPTY] * 4).status == "unknown"


def test_one_blind_tier_makes_the_slo_unknown() -> None:
    verdict = judge_all([WELL, WELL, WELL, BLIND])
    assert (verdict.status, verdict.severity) == ("unknown", None)
    assert verdict.sentence.startswith("only 1 of the 12 time slices")


def test_while_blind_a_firing_alert_stays_firing() -> None:
    verdict = judge_all([BLIND] * 4, previous=[PAGE])
    assert (verdict.status, verdict.severity) == ("unknown", "page")
    assert verdict.alerting_tiers == {PAGE}
    assert verdict.sentence.endswith("; the page stays open until we can see again")


def test_a_firing_tier_that_nobody_feeds_any_more_is_unknown_not_healthy() -> None:
    verdict = judge_all([EMPTY, WELL, WELL, WELL], previous=[PAGE])
    assert (verdict.status, verdict.severity) == ("unknown", "page")


def test_what_is_certain_is_said_even_where_another_tier_is_blind() -> None:
    verdict = judge_all([BLIND, WELL, WELL, ILL], previous=[TICKET])
    assert (verdict.status, verdict.severity) == ("firing", "ticket")


def test_a_new_declaration_while_we_are_blind_does_not_clear_the_alert() -> None:
    assert judge_all([BLIND] * 4, previous=["page-99-1m"]).severity == "page"


def test_a_new_declaration_clears_the_alert_once_its_own_tiers_are_healthy() -> None:
    assert not judge_all([WELL] * 4, previous=["page-99-1m"]).alerting


def test_a_budget_is_spent_by_occurrences() -> None:
    spent = budget(Tally.from_counts(1000, 160), 0.80)
    assert spent.spent == pytest.approx(0.8)
    assert spent.remaining == pytest.approx(0.2)
    assert spent.interval.lower < 0.8 < spent.interval.upper
    overspent = budget(Tally.from_counts(1000, 300), 0.80)
    assert overspent.remaining == pytest.approx(-0.5)
    nothing = budget(Tally.ZERO, 0.80)
    assert (nothing.spent, nothing.remaining) == (None, None)
    assert nothing.interval == pytest.approx((0, 5))


@pytest.mark.parametrize(("bad", "status"), [(7, "healthy"), (8, "firing"), (9, "firing")])
def test_what_a_healthy_app_shows_once_in_a_million_fires_before_the_bound_exceeds_the_factor(
    bad: int, status: str
) -> None:
    tier = FOUR_TIERS.tiers[1]
    slo = replace(FOUR_TIERS, tiers=(tier,))
    long, short = reading(60, bad), reading(5, 2)
    verdict = judge(long, short, slo=slo)
    assert verdict.status == status
    by_the_factor = long.tally.lower_bound(0.99) > tier.firing_ratio(slo.objective)
    assert by_the_factor == (bad == 9)
    told = "confidence, more than 1 with 99.9999%)" in verdict.reason
    assert told == (bad == 8)
