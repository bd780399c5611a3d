"""How SLOs stand, as Prometheus sees it."""

import math
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from service import telemetry
from service.flows.show_slos import show_slos
from service.slo_metrics import NAMES, Evidence, SloFacts, SloGauges, list_series
from tests.declared import NOW, declare_app, declare_slo
from tests.standing import a_tier, a_verdict, put

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "watchkeeper.rules.yml"
METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
MINUTE = timedelta(minutes=1)


def some_facts(slo: str = "answers-correct", **verdict: Any) -> SloFacts:
    return SloFacts("support", slo, 0.95, "healthy", a_verdict(**verdict), NOW)


def values(facts: SloFacts) -> dict[str, float]:
    """By name and further labels."""
    found = {}
    for series in list_series(facts):
        more = ",".join(series.labels[2:])
        found[series.name.removeprefix("watchkeeper_slo_") + (f"[{more}]" if more else "")] = (
            series.value
        )
    return found


def test_a_verdict_becomes_series() -> None:
    tiers = [a_tier(hours=1), a_tier(hours=6, burn=0.9)]
    shown = values(
        some_facts(tiers=tiers, severity="ticket")._replace(evidence=Evidence(3.5, 2000))
    )
    assert shown == pytest.approx(
        {
            "objective_ratio": 0.95,
            "evaluated_timestamp_seconds": NOW.timestamp(),
            "state[healthy]": 1,
            "state[firing]": 0,
            "state[unknown]": 0,
            "alert[page]": 0,
            "alert[ticket]": 1,
            "sli_ratio": 0.98,
            "sample_size": 2000,
            "effective_sample_size": 1500,
            "budget_remaining_ratio": 0.6,
            "budget_remaining_ratio_lower": 0.5,
            "budget_remaining_ratio_upper": 0.7,
            "e_value": 3.5,
            "e_value_threshold": 2000,
            "burn_rate[1h]": 0.4,
            "burn_rate[5m]": 0.4,
            "burn_rate[6h]": 0.9,
            "burn_rate[30m]": 0.9,
            "burn_rate_lower[1h]": 0.2,
            "burn_rate_lower[6h]": 0.2,
            "error_ratio[1h]": 0.02,
            "error_ratio[5m]": 0.02,
            "error_ratio[6h]": 0.045,
            "error_ratio[30m]": 0.045,
        }
    )


def test_what_is_not_known_has_no_series() -> None:
    shown = values(some_facts(remaining=None, tiers=[a_tier("silence", burn=None)]))
    assert not {name for name in shown if "burn" in name or "budget" in name or "sli" in name}


def read(registry: CollectorRegistry, name: str, slo: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, {"app": "support", "slo": slo} | labels)


def test_an_slo_that_is_gone_is_no_number() -> None:
    registry = CollectorRegistry()
    gauges = SloGauges(registry)
    gauges.show([some_facts("one"), some_facts("two")])
    gauges.show([some_facts("two")])
    gone = read(registry, "watchkeeper_slo_sli_ratio", "one")
    assert gone is not None
    assert math.isnan(gone)
    assert read(registry, "watchkeeper_slo_sli_ratio", "two") == 0.98
    gauges.show([some_facts("one")])
    assert read(registry, "watchkeeper_slo_sli_ratio", "one") == 0.98


def test_labels_are_bounded_and_what_is_left_out_is_told() -> None:
    registry = CollectorRegistry()
    SloGauges(registry, largest=3).show([some_facts(f"slo-{number}") for number in range(5)])
    assert registry.get_sample_value("watchkeeper_slo_metrics_dropped") == 2
    assert read(registry, "watchkeeper_slo_objective_ratio", "slo-2") == 0.95
    assert read(registry, "watchkeeper_slo_objective_ratio", "slo-3") is None


def test_every_worker_shows_what_is_stored(engine: Engine) -> None:
    slo = declare_slo(engine, declare_app(engine), evaluator=None)
    registry = CollectorRegistry()
    gauges = SloGauges(registry)
    show_slos(engine, gauges, now=NOW)
    put(engine, slo)
    show_slos(engine, gauges, now=NOW)
    state = "watchkeeper_slo_state"
    assert read(registry, state, slo.name, state="healthy") == 1
    show_slos(engine, gauges, now=NOW + 3 * MINUTE)
    assert read(registry, state, slo.name, state="unknown") == 1, "a state too old is unknown"


@pytest.mark.parametrize("name", [*NAMES, "watchkeeper_slo_metrics_dropped"])
def test_every_gauge_is_documented(name: str) -> None:
    assert f"`{name}" in METRICS


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    asked = {name for each in expressions for name in re.findall(r"\bwatchkeeper_\w+", each)}
    heartbeat = telemetry.heartbeat_at.describe()[0].name
    assert asked <= {*NAMES, "watchkeeper_slo_metrics_dropped", heartbeat}
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    assert {name for name in recorded if f"`{name}`" not in METRICS} == {
        name for name in recorded if name.startswith("slo:sli_error:") and "1h" not in name
    }


def test_prometheus_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: nothing here can check rules as Prometheus does")
    checked = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
