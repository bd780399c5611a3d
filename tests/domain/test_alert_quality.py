"""The alert benchmark in short: what the rules do on simulated traffic, and that its frame is fair.

`python -m benchmarks.alert_quality` has the whole grid and more repetitions.
"""

from datetime import timedelta

import numpy as np
import pytest

from benchmarks import alert_quality
from benchmarks.alert_outcomes import Outcome, page_tiers, run_cell
from benchmarks.alert_rules import product, see
from benchmarks.alert_streams import MINUTE, MONTH, NULLS, SCENARIOS, Cell, Scenario, Stream, draw
from service.domain.alert_expectations import expect_tiers
from service.domain.alert_replay import openings
from service.domain.alert_windows import AlertTier, standard_catalogue

SEED = 11
WINDOW = timedelta(days=30)
TIERS = standard_catalogue(WINDOW)


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, float | None], list[Outcome]]:
    return alert_quality.measure(months=20, incidents=1000, seed=SEED)


def test_the_bounds_hold(measured: tuple[dict[str, float | None], list[Outcome]]) -> None:
    figures, _ = measured
    wilson, raw = figures["detection_vs_wilson"], figures["detection_vs_raw"]
    assert figures["false_pages_30d"] is not None
    assert figures["false_pages_30d"] <= 0.1
    assert figures["recall"] == 1.0
    assert wilson is not None
    assert wilson <= 1.5
    assert raw is not None
    assert raw <= 1.3


def test_an_incident_is_one_page_where_the_raw_rule_flaps(
    measured: tuple[dict[str, float | None], list[Outcome]],
) -> None:
    thin_step = measured[1][1]
    assert thin_step.by_rule["watchkeeper"].pages < 1.2
    assert thin_step.by_rule["raw"].pages > 10


def test_the_baselines_bound_every_rule(
    measured: tuple[dict[str, float | None], list[Outcome]],
) -> None:
    null, step = measured[1][:2]
    assert (null.by_rule["always"].pages, null.by_rule["never"].pages) == (MONTH, 0)
    assert (step.by_rule["always"].recall, step.by_rule["never"].recall) == (1, 0)
    assert step.by_rule["always"].median_m == 1


def test_the_same_seed_gives_the_same_outcome() -> None:
    cell = Cell(0.95, 600, 0.1, "bursty", SCENARIOS[2])
    again = [run_cell(cell, 3, SEED).by_rule["watchkeeper"] for _ in range(2)]
    assert again[0] == again[1]


def test_silence_is_unknown_and_never_pages() -> None:
    silence = next(scenario for scenario in SCENARIOS if scenario.is_silent)
    outcome = run_cell(Cell(0.99, 600, 1.0, "diurnal", silence), 20, SEED)
    assert outcome.unknown > 0.9
    assert outcome.by_rule["watchkeeper"].pages == 0


def test_late_scores_are_not_known_before_they_come() -> None:
    late = next(scenario for scenario in SCENARIOS if scenario.name == "late data")
    stream = draw(Cell(0.99, 6000, 1.0, "iid", late), 2, warm_up=360, seed=SEED)
    hour, pending = stream.within(60 * MINUTE)
    # 5 % wait 2 minutes, 4 % 10 and 1 % 30: so much of an hour's calls is still to come.
    assert pending[:, 400:].mean() == pytest.approx(100 * (0.1 + 0.4 + 0.3), rel=0.02)
    assert (hour.total + pending)[:, 400:].mean() == pytest.approx(6000, rel=0.02)
    assert (hour.bad <= hour.total).all()


def simulate(tier: AlertTier, cell: Cell, repetitions: int) -> tuple[Stream, np.ndarray]:
    stream = draw(cell, repetitions, warm_up=tier.long // MINUTE, seed=SEED)
    return stream, product(tier, cell.objective, see(stream, (tier,)))


@pytest.mark.parametrize("calls_per_hour", [10, 600])
def test_the_alerts_expected_are_those_of_the_simulation(calls_per_hour: int) -> None:
    cell = Cell(0.99, calls_per_hour, 1.0, "iid", NULLS[1])
    expected = expect_tiers(TIERS, 0.99, calls_per_hour=calls_per_hour)
    for tier, promised in zip(TIERS, expected, strict=True):
        stream, alerting = simulate(tier, cell, repetitions=24)
        found = openings(alerting)[:, stream.starts_at :].sum() / 24
        # Both are counts: of a year, and of two. Alerts come in clusters, so 4 sigma of Poisson.
        deviation = np.sqrt(promised.alerts_a_month / 12 + found / 24)
        assert abs(promised.alerts_a_month - found) <= 4 * deviation
        assert found <= 2 * promised.alerts_a_month_at_most


@pytest.mark.parametrize("calls_per_hour", [60, 600, 6000])
def test_a_total_failure_is_detected_when_expected(calls_per_hour: int) -> None:
    failure = Scenario("total failure", lasts=24 * 60, peak=1.0)
    cell = Cell(0.99, calls_per_hour, 1.0, "iid", failure)
    expected = expect_tiers(
        page_tiers(0.99), 0.99, calls_per_hour=calls_per_hour, usual_bad_ratio=0.005
    )
    for promised in expected:
        stream, alerting = simulate(promised.tier, cell, repetitions=200)
        during = alerting[:, stream.starts_at : stream.ends_at]
        assert during.any(axis=1).all()
        found = float(np.median(during.argmax(axis=1) + 1))
        after = promised.detects_total_failure_after
        assert after is not None
        # Judged by the minute.
        assert found == pytest.approx(after / MINUTE, rel=0.15, abs=1)


@pytest.mark.parametrize("calls_per_hour", [60, 6000])
def test_a_page_resets_when_expected(calls_per_hour: int) -> None:
    failure = Scenario("total failure", lasts=24 * 60, peak=1.0)
    cell = Cell(0.99, calls_per_hour, 1.0, "iid", failure)
    for promised in expect_tiers(
        page_tiers(0.99), 0.99, calls_per_hour=calls_per_hour, usual_bad_ratio=0.005
    ):
        stream, alerting = simulate(promised.tier, cell, repetitions=200)
        found = float(np.median((~alerting[:, stream.ends_at :]).argmax(axis=1) + 1))
        assert promised.resets_after is not None
        assert found == pytest.approx(promised.resets_after / MINUTE, rel=0.15, abs=2)
