"""What the alerts of an SLO will do, at what its indicator usually sees."""

from service.domain.alert_expectations import TierExpectation, expect_tiers
from service.domain.slos import Slo
from service.store.usual_traffic import UsualTraffic

PLENTY = 1e6
"""Calls an hour that leave nothing to chance."""
PRESUMED_SPENT = 0.5
"""The share of its budget that is taken to be spent where nothing tells."""


def expect_alerts(slo: Slo, traffic: UsualTraffic | None) -> tuple[TierExpectation, ...]:
    """Of every tier. Without traffic: at plenty of calls.

    Where the usual bad ratio is not known, at half of the budget; how often it alerts for nothing
    is then not known either, whatever the expectation says.
    """
    traffic = traffic or UsualTraffic(PLENTY, None)
    presumed = PRESUMED_SPENT * (1 - slo.objective)
    return expect_tiers(
        slo.tiers,
        slo.objective,
        calls_per_hour=traffic.counted_per_hour,
        usual_bad_ratio=presumed if traffic.bad_ratio is None else traffic.bad_ratio,
        effective_share=traffic.effective_share,
    )
