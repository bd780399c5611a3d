"""The tables of the SRE Workbook, chapter 5, as verdicts: who fires, when, and who speaks."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.alert_windows import AlertTier, standard_catalogue
from service.domain.burn_rate import SloVerdict, WindowReading, judge_slo
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MONTH = timedelta(days=30)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CALLS = Indicator("availability", "answer", "production")
THREE_NINES = Slo("up", "support", CALLS, 0.999, MONTH, standard_catalogue(MONTH))
# So many calls an hour that a bound is next to the ratio.
CALLS_PER_HOUR = 360_000_000


def judge(bad_ratio_of: Mapping[timedelta, float], slo: Slo = THREE_NINES) -> SloVerdict:
    readings = {}
    for length in slo.window_lengths:
        total = round(CALLS_PER_HOUR * (length / HOUR))
        bad = round(total * bad_ratio_of[length])
        readings[length] = WindowReading(Tally.from_counts(total, bad), newest_at=NOW)
    return judge_slo(slo, readings, NOW)


def outage_of(duration: timedelta, *, ago: timedelta = timedelta(0)) -> SloVerdict:
    """Every call fails for so long, and none before or since."""
    share = {
        length: max(0.0, min(duration, length - ago) / length)
        for length in THREE_NINES.window_lengths
    }
    return judge(share)


def steady(burn: float) -> SloVerdict:
    return judge(dict.fromkeys(THREE_NINES.window_lengths, burn * 0.001))


@pytest.mark.parametrize(
    ("seconds", "fires"), [(51, False), (53, True)], ids=["under 52 s", "over 52 s"]
)
def test_a_total_outage_pages_by_the_fastest_tier_after_fifty_two_seconds(
    seconds: int, fires: bool
) -> None:
    fastest = outage_of(timedelta(seconds=seconds)).tiers[0]
    assert (fastest.tier.factor, fastest.alerting) == (14.4, fires)


@pytest.mark.parametrize(
    ("number", "detection_s"), [(0, 51.84), (1, 129.6), (2, 259.2), (3, 259.2)]
)
def test_each_tier_detects_a_total_outage_after_factor_times_budget_times_window(
    number: int, detection_s: float
) -> None:
    late, early = (outage_of(timedelta(seconds=detection_s * by)) for by in (1.01, 0.99))
    assert late.tiers[number].alerting
    assert not early.tiers[number].alerting


@pytest.mark.parametrize(
    ("number", "short"), [(0, 5 * MINUTE), (1, 30 * MINUTE), (2, 2 * HOUR), (3, 6 * HOUR)]
)
def test_each_tier_resets_once_its_short_window_has_passed(number: int, short: timedelta) -> None:
    still, over = (outage_of(10 * MINUTE, ago=short * by) for by in (0.95, 1.001))
    assert still.tiers[number].alerting
    assert not over.tiers[number].alerting


@pytest.mark.parametrize(
    ("burn", "severity", "factor"),
    [
        (1000, "page", 14.4),
        (15, "page", 14.4),
        (14, "page", 6),
        (6.2, "page", 6),
        (5.8, "ticket", 3),
        (2.8, "ticket", 1),
        (1.1, "ticket", 1),
        (0.98, None, 1),
    ],
)
def test_a_steady_burn_is_one_alert_told_by_its_fastest_tier(
    burn: float, severity: str | None, factor: float
) -> None:
    verdict = steady(burn)
    assert (verdict.severity, verdict.deciding.tier.factor) == (severity, factor)
    assert verdict.sentence.endswith(
        f"; the {verdict.deciding.tier.severity} threshold is {factor:g}"
    )


@pytest.mark.parametrize(
    ("days", "factors"), [(30, (14.4, 6, 3, 1)), (28, (13.44, 5.6, 2.8, 0.9333))]
)
def test_each_tier_fires_when_its_share_of_the_budget_is_spent(
    days: int, factors: tuple[float, ...]
) -> None:
    window = timedelta(days=days)
    tiers = standard_catalogue(window)
    assert tuple(tier.factor for tier in tiers) == factors
    spent = [tier.factor * tier.long / window for tier in tiers]
    assert spent == pytest.approx([0.02, 0.05, 0.10, 0.10], rel=1e-4)


def test_the_fastest_tier_speaks_in_whatever_order_they_are_declared() -> None:
    backwards = replace(THREE_NINES, tiers=THREE_NINES.tiers[::-1])
    everything = dict.fromkeys(THREE_NINES.window_lengths, 1.0)
    assert judge(everything, backwards).sentence == judge(everything).sentence


def test_the_slower_tiers_hold_the_alert_open_as_a_ticket() -> None:
    page, ticket = outage_of(10 * MINUTE), outage_of(10 * MINUTE, ago=HOUR)
    assert (page.severity, ticket.severity) == ("page", "ticket")
    assert ticket.alerting_tiers == {tier.key for tier in THREE_NINES.tiers[2:]}


def test_a_ticket_that_fires_does_not_hide_that_a_page_is_frozen() -> None:
    page, ticket = AlertTier.of("page", HOUR, 14.4, MONTH), THREE_NINES.tiers[3]
    slo = replace(THREE_NINES, tiers=(page, ticket))
    burning = WindowReading(Tally.from_counts(100_000, 1000), newest_at=NOW)
    nothing = WindowReading(Tally.ZERO, newest_at=NOW)
    readings = {
        page.short: nothing,
        page.long: burning,
        ticket.short: burning,
        ticket.long: burning,
    }
    verdict = judge_slo(slo, readings, NOW, previous=[page.key])
    assert (verdict.status, verdict.severity) == ("firing", "page")
    assert verdict.deciding.tier == ticket
    assert verdict.sentence.endswith("; the page stays open until we can see again")
