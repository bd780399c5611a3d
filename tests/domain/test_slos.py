"""What can be an SLO, and what its tiers can do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.domain.alert_windows import AlertTier, propose_catalogue, standard_catalogue
from service.domain.slos import Indicator, InvalidSloError, Slo, find_infeasibility

WINDOW = timedelta(days=28)
HOUR = timedelta(hours=1)
QUALITY = Indicator("quality", "prime", "production", "expected_answer")
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


def test_an_indicator_has_an_evaluator_exactly_where_it_is_about_quality() -> None:
    with pytest.raises(InvalidSloError, match="quality indicator names its evaluator"):
        Indicator("quality", "prime", "production")
    with pytest.raises(InvalidSloError, match="availability indicator has none"):
        Indicator("availability", "prime", "production", "refusal")


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
