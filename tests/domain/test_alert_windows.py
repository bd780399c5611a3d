"""The Workbook's tables, what they mean, and catalogues for objectives that they do not fit."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert_windows import (
    LEAST_PAGE_FACTOR,
    MAX_BURN_SHARE,
    AlertTier,
    events_needed,
    max_burn,
    propose_catalogue,
    reachable,
    spell_duration,
    standard_catalogue,
)
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("days", "factors"),
    [(30, [14.4, 6, 3, 1]), (28, [13.44, 5.6, 2.8, 0.9333]), (90, [43.2, 18, 9, 3])],
)
def test_factors_follow_from_budget_share_and_window(days: int, factors: list[float]) -> None:
    assert [tier.factor for tier in standard_catalogue(days * DAY)] == factors


def test_the_workbook_table_of_thirty_days() -> None:
    tiers = standard_catalogue(30 * DAY)
    assert [(t.severity, t.long, t.short, round(t.budget_share, 4)) for t in tiers] == [
        ("page", 1 * HOUR, 5 * MINUTE, 0.02),
        ("page", 6 * HOUR, 30 * MINUTE, 0.05),
        ("ticket", 24 * HOUR, 2 * HOUR, 0.10),
        ("ticket", 72 * HOUR, 6 * HOUR, 0.10),
    ]


@given(st.integers(1, 400))
def test_no_standard_tier_alerts_on_a_burn_that_leaves_budget_over(days: int) -> None:
    tiers = standard_catalogue(days * DAY)
    assert all(tier.factor >= 0.9 and tier.short < tier.long <= days * DAY for tier in tiers)


@pytest.mark.parametrize(
    ("factor", "objective", "fires"),
    [
        (14.4, 0.93, False),
        (14.4, 0.931, True),
        (6, 0.83, False),
        (6, 0.84, True),
        (5, 0.80, False),
        (4.9, 0.80, True),
    ],
)
def test_no_burn_rate_exceeds_that_of_a_total_failure(
    factor: float, objective: float, fires: bool
) -> None:
    tier = AlertTier.of("page", HOUR, factor, 30 * DAY)
    assert reachable(tier, objective) is fires


def test_the_catalogue_for_ninety_percent_pages_at_six_times_over_two_hours_and_a_half() -> None:
    page = propose_catalogue(0.90, 30 * DAY)[0]
    assert (page.severity, page.factor) == ("page", 6.0)
    assert (page.long, page.short) == (144 * MINUTE, 12 * MINUTE)


def test_the_catalogue_for_eighty_percent() -> None:
    tiers = propose_catalogue(0.80, 28 * DAY)
    assert [(t.severity, t.factor, spell_duration(t.long)) for t in tiers] == [
        ("page", 3.0, "4 h 24 m"),
        ("page", 1.7, "19 h 48 m"),
        ("ticket", 1.2, "2 d 8 h"),
        ("ticket", 0.9333, "3 d"),
    ]


@pytest.mark.parametrize("objective", [0.96, 0.99, 0.9999])
def test_where_the_standard_catalogue_works_it_is_proposed(objective: float) -> None:
    assert propose_catalogue(objective, 28 * DAY) == standard_catalogue(28 * DAY)


@given(st.floats(0.42, 0.9999), st.integers(7, 90))
def test_whatever_is_proposed_can_fire_and_keeps_its_budget_share(
    objective: float, days: int
) -> None:
    window = days * DAY
    proposed = propose_catalogue(objective, window)
    indicator = Indicator("availability", "answer", "production")
    assert Slo("any", "support", indicator, objective, window, proposed).tiers == proposed
    cap = MAX_BURN_SHARE * max_burn(objective)
    for tier in proposed:
        assert reachable(tier, objective)
        assert tier.severity == "ticket" or tier.factor > LEAST_PAGE_FACTOR
        assert tier.factor <= max(cap, 1.0) + 1e-6
        assert tier.short < tier.long <= window
        nearest = min(abs(tier.budget_share - share) for share in (0.02, 0.05, 0.10))
        # Windows are whole twelves of minutes.
        assert nearest <= 0.5 * tier.factor * (12 * MINUTE / window) + 1e-3


@pytest.mark.parametrize("objective", [0.05, 0.10, 0.40])
def test_nothing_is_proposed_where_a_total_failure_is_hardly_worse_than_the_objective(
    objective: float,
) -> None:
    assert propose_catalogue(objective, 28 * DAY) == ()


@pytest.mark.parametrize("ratio", [0.0134, 0.144, 0.34, 0.6, 0.95])
def test_the_bound_can_fire_with_the_events_needed_and_not_with_fewer(ratio: float) -> None:
    needed = events_needed(ratio)
    assert Tally.from_counts(needed, needed).lower_bound(0.99) > ratio
    assert Tally.from_counts(needed - 1, needed - 1).lower_bound(0.99) <= ratio
