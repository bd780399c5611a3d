"""Metrics of our data source, and what they count."""

from typing import Any

import pytest

from service.domain.indicators import Filters, Indicator, Member
from service.specs.declarations import Known
from tests.specs.written import KNOWN, an_slo, bad, faults, good, read, source

SLICES = {"timeSliceTarget": 0.9, "timeSliceWindow": "5m"}


def slo_of(indicator: dict[str, Any], objective: dict[str, Any] | None = None) -> dict[str, Any]:
    changes: dict[str, Any] = {"indicator": {"metadata": {"name": "i"}, "spec": indicator}}
    if objective is not None:
        changes["objectives"] = [{"target": 0.99, **objective}]
        if "timeSliceWindow" in objective:
            changes["budgetingMethod"] = "Timeslices"
    return an_slo(**changes)


def counted(kind: Any, *more: Any, **fields: Any) -> Indicator:
    return Indicator(kind, "answer", "production", *more, **fields)


def mean(**spec: Any) -> dict[str, Any]:
    return {"ratioMetric": {"rawType": "success", "raw": source(**spec)}}


def threshold(**spec: Any) -> dict[str, Any]:
    return {"thresholdMetric": source(**spec)}


READ = [
    (good(outcome="ok"), None, counted("availability")),
    (bad(outcome="error"), None, counted("availability")),
    (good(latencyMs={"atMost": 2000}), None, counted("latency", limit=2000.0)),
    (bad(latencyMs={"above": 2000}), None, counted("latency", limit=2000.0)),
    (
        threshold(measure="latencyMs"),
        {"op": "lte", "value": 300},
        counted("latency", limit=300.0),
    ),
    (good(evaluator="refusal", verdict="pass"), None, counted("quality", "refusal")),
    (bad(evaluator="refusal", verdict="fail"), None, counted("quality", "refusal")),
    (good(contract="valid"), None, counted("quality", "contract")),
    (bad(contract="invalid"), None, counted("quality", "contract")),
    (
        bad(signals=["thumbs", "regenerated"]),
        None,
        counted("signals", signals=("thumbs", "regenerated")),
    ),
    (mean(evaluator="faithfulness", measure="meanScore"), None, counted("mean", "faithfulness")),
    (
        threshold(measure="costPerCallUsd"),
        {"op": "lte", "value": 0.02, **SLICES},
        counted("cost", limit=0.02),
    ),
    (threshold(measure="calls"), {"op": "gte", "value": 1, **SLICES}, counted("freshness")),
    (threshold(measure="calls"), {"op": "gt", "value": 0, **SLICES}, counted("freshness")),
    (
        good(outcome="ok", model="gpt", promptVersion="7", release=""),
        None,
        counted("availability", filters=Filters("", "gpt", "7")),
    ),
    (
        good(outcome="ok", environment="staging"),
        None,
        Indicator("availability", "answer", "staging"),
    ),
]


@pytest.mark.parametrize(("metric", "objective", "indicator"), READ)
def test_a_metric_becomes_an_indicator(
    metric: dict[str, Any], objective: dict[str, Any] | None, indicator: Indicator
) -> None:
    found = read(slo_of(metric, objective), strict=True)
    assert found.slos[0].slo.indicator == indicator


REFUSED = [
    (good(latencyMs={"atMost": 2100}), None, "next to it are 2000 and 2500 ms"),
    (good(latencyMs=2000), None, "latencyMs: found the number 2000; allowed: a mapping"),
    (good(latencyMs={"above": 2000}), None, "latencyMs: found a mapping; allowed on good: atMost"),
    (bad(latencyMs={"atMost": 2000}), None, "allowed on bad: above"),
    (good(latencyMs={}), None, "allowed: atMost (what is good), or above (what is bad)"),
    (good(outcome="error"), None, "outcome: found 'error'; allowed on good: ok"),
    (bad(evaluator="refusal", verdict="pass"), None, "verdict: found 'pass'; allowed on bad: fail"),
    (good(signals=["thumbs"]), None, "they speak against an answer: put them on bad"),
    (bad(signals=["clapping"]), None, "signals are some of thumbs"),
    (bad(signals=[]), None, "signals: found a list of 0; allowed: at least 1 of them"),
    (good(outcome="ok", contract="valid"), None, "contract: found 'valid'; allowed: one of"),
    (good(outcome="ok", measure="calls"), None, "drop measure; it says nothing here"),
    (good(), None, "neither evaluator nor outcome"),
    (bad(), None, "or signals: [...]"),
    (good(outcome="ok", modle="gpt"), None, "did you mean 'model'?"),
    (good(outcome="ok", region="eu"), None, "region: found an unknown field 'region'; allowed:"),
    (threshold(measure="latencyMs"), {"op": "gte", "value": 300}, "a latency above its limit is"),
    (threshold(measure="latencyMs"), {"value": 300}, "objectives[0].op: found nothing"),
    (threshold(measure="latencyMs"), {"op": "lte"}, "objectives[0].value: found nothing"),
    (threshold(measure="calls"), {"op": "gte", "value": 9, **SLICES}, "op: gte and value: 1"),
    (threshold(evaluator="refusal"), {"op": "gte", "value": 1}, "stands in the task, `passes`"),
    (threshold(), {"op": "gte", "value": 1}, "allowed: latencyMs, costPerCallUsd, calls"),
    (
        threshold(measure="costPerCallUsd"),
        {"op": "lte", "value": 0.02},
        "an indicator of kind cost is counted in time slices",
    ),
    (
        threshold(measure="costPerCallUsd"),
        {"op": "lte", "value": 0, **SLICES},
        "a limit is above 0",
    ),
    (mean(measure="meanScore"), None, "task, evaluator and measure: meanScore"),
    (mean(evaluator="refusal"), None, "task, evaluator and measure: meanScore"),
    (mean(evaluator="refusal", measure="meanScore", verdict="pass"), None, "drop verdict"),
    ({"ratioMetric": {"good": source(outcome="ok")}}, None, "allowed: good and total, bad and"),
    ({"ratioMetric": {"raw": source()}}, None, "allowed: raw and rawType together"),
    (
        {"ratioMetric": {"raw": source(), "rawType": "failure"}},
        None,
        "rawType: found 'failure'; allowed: success",
    ),
    ({}, None, "allowed: exactly one of ratioMetric and thresholdMetric"),
]


@pytest.mark.parametrize(("metric", "objective", "told"), REFUSED)
def test_what_cannot_be_counted_is_told(
    metric: dict[str, Any], objective: dict[str, Any] | None, told: str
) -> None:
    (fault,) = faults(slo_of(metric, objective))
    assert told in fault


def test_both_sides_count_the_same_calls() -> None:
    metric = good(outcome="ok")
    metric["ratioMetric"]["total"] = source(environment="staging", model="gpt", outcome="ok")
    told = faults(slo_of(metric))
    assert [fault.split("total.metricSource.")[-1] for fault in told] == [
        "spec.environment: found 'staging'; allowed: the same as on good, 'production'",
        "spec.model: found 'gpt'; drop model",
        "spec.outcome: found 'ok'; total counts all of them; drop outcome",
    ]


def test_an_evaluator_that_the_task_does_not_have_is_told_where_it_stands() -> None:
    known = Known(KNOWN.apps, KNOWN.channels, {("support", "answer"): frozenset({"refusal"})})
    (fault,) = faults(slo_of(good(contract="valid")), known=known)
    assert "good.metricSource.spec.contract: found no evaluator of task answer" in fault


def composite(*members: dict[str, Any], **more: Any) -> dict[str, Any]:
    spec = {"members": list(members), **more}
    metric = {"metricSource": {"type": "watchkeeper", "spec": spec}}
    indicator = {"spec": {"ratioMetric": {"rawType": "success", "raw": metric}}}
    return an_slo("journey", indicator=indicator)


def test_a_composite_weighs_other_slos() -> None:
    found = read(an_slo("a"), an_slo("b"), composite({"slo": "a", "weight": 2}, {"slo": "b"}))
    indicator = found.slos[2].slo.indicator
    assert indicator == Indicator(
        "composite", "", "production", members=(Member("a", 2.0), Member("b", 1.0))
    )


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (composite({"slo": "b"}), "members[0].slo: found no other SLO of support named 'b'"),
        (composite({"slo": "journey"}), "found no other SLO of support named 'journey'"),
        (composite({"slo": "a"}, {"slo": "a"}), "names each part once"),
        (composite({"slo": "a", "weight": 0}), "weight: found the number 0; allowed: a number abo"),
        (composite({"slo": "a"}, task="answer"), "task: found 'answer'; allowed: members alone"),
    ],
)
def test_a_composite_that_cannot_be_is_refused(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(an_slo("a"), document)
    assert told in fault


def test_a_composite_of_composites_is_refused() -> None:
    inner = composite({"slo": "a"})
    outer = composite({"slo": "journey"})
    outer["metadata"] = {"name": "outer"}
    (fault,) = faults(an_slo("a"), inner, outer)
    assert "allowed: an SLO that is no composite itself" in fault


def test_a_stored_slo_may_be_a_part() -> None:
    stored = read(an_slo("a")).slos[0].slo
    known = Known(KNOWN.apps, KNOWN.channels, KNOWN.evaluators, {("support", "a"): stored})
    assert read(composite({"slo": "a"}), known=known).slos[0].slo.name == "journey"
