"""How SLOs stand, as gauges for Prometheus: names, labels and meanings are in docs/metrics.md.

A stored verdict is all they are made of, so every worker shows the same, whoever evaluated.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from prometheus_client import REGISTRY as OURS
from prometheus_client import CollectorRegistry, Gauge

STATES = ("healthy", "firing", "unknown")
LARGEST_NUMBER = 500
"""Of SLOs with series of their own: some 40 each. How many are left out is a metric, too."""
_SLO, _WINDOW = ("app", "slo"), ("app", "slo", "window")

NAMES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "watchkeeper_slo_objective_ratio": (_SLO, "Share of good calls that is promised"),
    "watchkeeper_slo_state": ((*_SLO, "state"), "1 for the state that the SLO is in, else 0"),
    "watchkeeper_slo_alert": ((*_SLO, "severity"), "1 while an alert of this severity is open"),
    "watchkeeper_slo_evaluated_timestamp_seconds": (_SLO, "When the SLO was last evaluated"),
    "watchkeeper_slo_sli_ratio": (_SLO, "Share of good calls over the SLO's window"),
    "watchkeeper_slo_sample_size": (_SLO, "What was counted over the SLO's window"),
    "watchkeeper_slo_effective_sample_size": (_SLO, "How many equal calls it is worth"),
    "watchkeeper_slo_budget_remaining_ratio": (_SLO, "Share of the error budget that is left"),
    "watchkeeper_slo_budget_remaining_ratio_lower": (_SLO, "At least, by the 95 % interval"),
    "watchkeeper_slo_budget_remaining_ratio_upper": (_SLO, "At most, by the 95 % interval"),
    "watchkeeper_slo_burn_rate": (_WINDOW, "Bad ratio of the window by the error budget"),
    "watchkeeper_slo_burn_rate_lower": (_WINDOW, "At least, with 99 % confidence"),
    "watchkeeper_slo_error_ratio": (_WINDOW, "Share of bad calls over the window"),
    "watchkeeper_slo_e_value": (_SLO, "Evidence of a slow leak of the error budget"),
    "watchkeeper_slo_e_value_threshold": (_SLO, "Evidence that opens a ticket"),
}


class Evidence(NamedTuple):
    """Of the slow-leak detector."""

    e_value: float
    threshold: float


class SloFacts(NamedTuple):
    """An SLO and its stored evaluation: `verdict` is as of `evaluated_at`, `status` as of now."""

    app: str
    slo: str
    objective: float
    status: str
    verdict: Mapping[str, Any]
    evaluated_at: datetime
    evidence: Evidence | None = None


class Series(NamedTuple):
    """One value of one metric; the labels are in the order of `NAMES`."""

    name: str
    labels: tuple[str, ...]
    value: float


def list_series(facts: SloFacts) -> Iterator[Series]:
    """Every value of an SLO; what is not known has none."""
    for name, labels, value in _all_series(facts):
        if isinstance(value, int | float) and math.isfinite(value):
            yield Series(f"watchkeeper_slo_{name}", (facts.app, facts.slo, *labels), float(value))


def _all_series(facts: SloFacts) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    verdict = facts.verdict
    yield "objective_ratio", (), facts.objective
    yield "evaluated_timestamp_seconds", (), facts.evaluated_at.timestamp()
    for state in STATES:
        yield "state", (state,), facts.status == state
    for severity in ("page", "ticket"):
        yield "alert", (severity,), verdict.get("severity") == severity
    attainment, budget = verdict.get("attainment", {}), verdict.get("budget", {})
    yield "sli_ratio", (), attainment.get("good_ratio")
    yield "sample_size", (), attainment.get("n")
    yield "effective_sample_size", (), attainment.get("effective_n")
    if budget.get("remaining") is not None:
        lower, upper = budget["interval"]
        yield "budget_remaining_ratio", (), budget["remaining"]
        yield "budget_remaining_ratio_lower", (), 1 - upper
        yield "budget_remaining_ratio_upper", (), 1 - lower
    if facts.evidence is not None:
        yield "e_value", (), facts.evidence.e_value
        yield "e_value_threshold", (), facts.evidence.threshold
    for tier in verdict.get("tiers", ()):
        yield from _of_tier(tier, 1 - facts.objective)


def _of_tier(tier: Mapping[str, Any], budget: float) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    for part in ("long", "short"):
        window, burn = spell_window(tier[f"{part}_s"]), tier.get(f"{part}_burn")
        yield "burn_rate", (window,), burn
        yield "error_ratio", (window,), None if burn is None else burn * budget
    if tier.get("long_burn") is not None:
        yield "burn_rate_lower", (spell_window(tier["long_s"]),), tier["long_burn_at_least"]


def spell_window(seconds: float) -> str:
    """As Prometheus writes durations.

    >>> spell_window(3600), spell_window(8640), spell_window(259200), spell_window(300)
    ('1h', '2h24m', '3d', '5m')
    """
    minutes = round(timedelta(seconds=seconds) / timedelta(minutes=1))
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = (f"{count}{unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "m")))
    return "".join(part for part in parts if part[0] != "0") or "0m"


@dataclass(frozen=True, slots=True)
class _Shown:
    name: str
    labels: tuple[str, ...]


class SloGauges:
    """The gauges of all SLOs; `show` brings them to what is stored."""

    def __init__(
        self, registry: CollectorRegistry = OURS, *, largest: int = LARGEST_NUMBER
    ) -> None:
        self._largest = largest
        self._gauges = {
            name: Gauge(name, help_, labels, registry=registry, multiprocess_mode="mostrecent")
            for name, (labels, help_) in NAMES.items()
        }
        self._dropped = Gauge(
            "watchkeeper_slo_metrics_dropped",
            "SLOs in force that have no series, because there are too many",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._shown: set[_Shown] = set()
        self._lock = Lock()

    def show(self, facts: Iterable[SloFacts]) -> None:
        """Show these SLOs; series of others, and values that are no longer known, become NaN.

        They are not taken away: several processes that count together share files, and what is in
        a file stays there.
        """
        known = sorted(facts, key=lambda each: (each.app, each.slo))
        shown = known[: self._largest]
        with self._lock:
            self._dropped.set(len(known) - len(shown))
            now_shown = set()
            for each in shown:
                for name, labels, value in list_series(each):
                    self._gauges[name].labels(*labels).set(value)
                    now_shown.add(_Shown(name, labels))
            for gone in self._shown - now_shown:
                self._gauges[gone.name].labels(*gone.labels).set(math.nan)
            self._shown |= now_shown


slo_gauges = SloGauges()
