"""What can be an SLO, and what its tiers can do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.domain.alert_windows import AlertTier, propose_catalogue, standard_catalogue
from service.domain.indicators import Indicator, Member
from service.domain.slos import (
    Budgeting,
    Consequence,
    InvalidSloError,
    Slo,
    find_infeasibility,
)

WINDOW = timedelta(days=28)
HOUR = timedelta(hours=1)
QUALITY = Indicator("quality", "prime", "production", "expected_answer")
FRESH = Indicator("freshness", "prime", "production")
WHOLE = Indicator("composite", "", "production", members=(Member("part", 1.0),))
SLO = Slo("correct", "support", QUALITY, 0.99, WINDOW, standard_catalogue(WINDOW))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"objective": 0.0}, "between 0 and 1: found 0.0"),
        ({"objective": 99.0}, "between 0 and 1: found 99.0"),
        ({"objective": float("nan")}, "between 0 and 1: found nan"),
        ({"window": timedelta(hours=3)}, "at least 1 d: found 3 h"),
        ({"window": timedelta(days=2)}, "no longer than the SLO's 2 d: found 3 d"),
        ({"tiers": ()}, "at least one alert tier"),
        ({"tiers": SLO.tiers[:1] * 2}, "given once"),
        ({"tiers": (AlertTier.of("page", HOUR, 0.5, WINDOW),)}, "at least 0.9 .* found 0.5"),
        ({"tiers": (AlertTier("page", HOUR, HOUR, 3.0, 0.1),)}, "longer than its short window"),
    ],
)
def test_what_cannot_be_an_slo_is_refused_with_the_reason(
    change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidSloError, match=reason):
        replace(SLO, **change)


FIVE = timedelta(minutes=5)
SLICES = Budgeting("timeslices", FIVE, 0.95)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"budgeting": Budgeting("timeslices", None, 0.95)}, "have a length"),
        ({"budgeting": Budgeting("occurrences", FIVE)}, "nothing else, have a length"),
        ({"budgeting": Budgeting("timeslices", FIVE)}, "have a target"),
        ({"budgeting": Budgeting("timeslices", FIVE, 1.5)}, "found 1.5"),
        ({"budgeting": Budgeting("timeslices", HOUR, 0.95)}, "no longer than the shortest"),
        ({"indicator": FRESH}, "kind freshness is counted in time slices"),
        ({"indicator": WHOLE, "budgeting": SLICES}, "a composite is made of its parts' budgets"),
        ({"policy": (Consequence(1.0, "freeze"),)}, "less than all of it"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_with_the_reason(
    change: dict[str, Any], reason: str
) -> None:
    assert replace(SLO, budgeting=SLICES).budgeting == SLICES
    with pytest.raises(InvalidSloError, match=reason):
        replace(SLO, **change)


def test_every_window_is_read_once() -> None:
    twice = AlertTier.of("page", timedelta(hours=6), 2.0, WINDOW)
    slo = replace(SLO, tiers=(*SLO.tiers, twice))
    minutes = [length / timedelta(minutes=1) for length in slo.window_lengths]
    assert minutes == [5, 30, 60, 120, 360, 1440, 4320]


def test_tiers_that_no_failure_would_fire_are_named_and_a_catalogue_is_proposed() -> None:
    found = find_infeasibility(replace(SLO, objective=0.80))
    assert found is not None
    assert found.unreachable == SLO.tiers[:2]
    assert found.proposed == propose_catalogue(0.80, WINDOW)
    assert find_infeasibility(replace(SLO, objective=0.80, tiers=found.proposed)) is None
    assert find_infeasibility(SLO) is None
