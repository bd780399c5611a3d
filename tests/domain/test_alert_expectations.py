"""What the table promises of a tier is what a simulation, and the Workbook, find."""

from datetime import timedelta

import pytest

from service.domain.alert_expectations import TierExpectation, expect_tiers, sure_ratio
from service.domain.alert_windows import AlertTier, Catalogue, propose_catalogue, standard_catalogue
from service.domain.slis import Tally

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONTH = 30 * DAY
# So many calls that a bound is no more than the ratio.
ENDLESS = 1e12


def seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def expect(
    tier: AlertTier, objective: float, usual: float | None = None, calls_per_hour: float = ENDLESS
) -> TierExpectation:
    (expected,) = expect_tiers(
        (tier,), objective, calls_per_hour=calls_per_hour, usual_bad_ratio=usual
    )
    return expected


@pytest.mark.parametrize(
    ("number", "firing_ratio", "detection_s", "reset_s"),
    [
        # Factor x (1 - objective) x long window; short window x (1 - firing ratio).
        (0, 0.0144, 51.84, 295.68),
        (1, 0.006, 129.6, 1789.2),
        (2, 0.003, 259.2, 7178.4),
        (3, 0.001, 259.2, 21578.4),
    ],
)
def test_the_workbook_times_of_a_total_outage_at_three_nines(
    number: int, firing_ratio: float, detection_s: float, reset_s: float
) -> None:
    expected = expect(standard_catalogue(MONTH)[number], 0.999, usual=0.0)
    assert expected.firing_ratio == pytest.approx(firing_ratio)
    assert seconds(expected.detects_total_failure_after) == pytest.approx(detection_s, rel=1e-3)
    assert seconds(expected.resets_after) == pytest.approx(reset_s, rel=1e-3)
    assert expected.detects_doubling_after is None


def test_a_doubling_is_detected_by_the_tiers_under_twice_the_usual_burn() -> None:
    slow = AlertTier.of("ticket", 20 * HOUR, 1.5, 28 * DAY)
    half = expect(slow, 0.80, usual=0.2).detects_doubling_after
    assert seconds(half) == pytest.approx(10 * 3600, rel=1e-3)
    assert expect(slow, 0.80, usual=0.1).detects_doubling_after is None
    assert expect(slow, 0.80, usual=0.4).resets_after is None


def test_a_thin_stream_takes_longer_and_a_thinner_one_never() -> None:
    page = standard_catalogue(MONTH)[0]
    at = {
        rate: seconds(expect(page, 0.99, 0.005, rate).detects_total_failure_after)
        for rate in (ENDLESS, 600, 10, 2)
    }
    assert at[2] is None
    assert at[ENDLESS] <= at[600] < at[10] < 3600  # type: ignore[operator]


@pytest.mark.parametrize("calls", [3, 10, 60, 1000])
@pytest.mark.parametrize("ratio", [0.01, 0.144, 0.6])
def test_the_sure_ratio_is_the_least_whose_bound_exceeds(calls: int, ratio: float) -> None:
    sure = sure_ratio(calls, ratio)
    bad = calls if sure is None else round(sure * calls) - 1
    assert Tally.from_counts(calls, bad).lower_bound(0.99) <= ratio
    if sure is not None:
        assert Tally.from_counts(calls, bad + 1).lower_bound(0.99) > ratio


def test_sampling_is_less_traffic() -> None:
    tiers: Catalogue = propose_catalogue(0.95, MONTH)
    sampled = expect_tiers(tiers, 0.95, calls_per_hour=600, effective_share=0.1)
    assert sampled == expect_tiers(tiers, 0.95, calls_per_hour=60)


def test_pages_are_not_expected_at_a_burn_rate_of_one_tickets_are() -> None:
    expected = expect_tiers(standard_catalogue(MONTH), 0.99, calls_per_hour=10)
    assert [e.alerts_a_month for e in expected][:3] == [0, 0, 0]
    assert expected[0].alerts_a_month_at_most == pytest.approx(0.25, abs=0.01)
    slowest = expected[3]
    assert 0.1 < slowest.alerts_a_month < slowest.alerts_a_month_at_most < 3


def test_a_tier_that_cannot_fire_has_no_expectation() -> None:
    with pytest.raises(ValueError, match="cannot fire at an objective"):
        expect(standard_catalogue(28 * DAY)[0], objective=0.80)
