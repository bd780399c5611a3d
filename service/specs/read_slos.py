"""SLO documents to SLOs: the two sides of the ratio agree, and every tier can fire."""

from collections.abc import Iterable
from typing import Any

import yaml

from service.domain.alert_windows import (
    MAX_BURN_SHARE,
    AlertTier,
    Catalogue,
    max_burn,
    standard_catalogue,
)
from service.domain.slos import Indicator, IndicatorKind, InvalidSloError, Slo, find_infeasibility
from service.specs.declarations import SloSpec
from service.specs.durations import parse_duration, write_duration
from service.specs.problems import Document, Path, Problem
from service.specs.shapes import Measure, ObjectiveBody, SloBody, SloDocument

METRIC: Path = ("spec", "indicator", "spec", "ratioMetric")
GOOD: Path = (*METRIC, "good", "metricSource", "spec")
TOTAL: Path = (*METRIC, "total", "metricSource", "spec")
POLICIES: Path = ("spec", "alertPolicies")


def read_slo(document: Document, shape: SloDocument) -> SloSpec | list[Problem]:
    """The SLO, or everything that keeps it from being one."""
    body = shape.spec
    metric = body.indicator.spec.ratio_metric
    good, total = metric.good.metric_source.spec, metric.total.metric_source.spec
    problems = list(_compare(document, good, total))
    window = parse_duration(body.time_window[0].duration)
    objective = _objective(body.objectives[0])
    tiers = _own_tiers(body) or standard_catalogue(window)
    if problems:
        return problems
    name = shape.metadata.name
    kind: IndicatorKind = "quality" if good.evaluator else "availability"
    try:
        indicator = Indicator(kind, good.task, good.environment, good.evaluator)
        slo = Slo(name, body.service, indicator, objective, window, tiers)
    except InvalidSloError as error:
        return [document.problem(("spec",), str(error), "an SLO that cannot be")]
    if infeasible := _find_unreachable(document, slo):
        return [infeasible]
    return SloSpec(slo, shape.metadata.display_name or name)


def _objective(body: ObjectiveBody) -> float:
    if body.target is not None:
        return body.target
    assert body.target_percent is not None  # noqa: S101 - the shape has exactly one of them
    # 99.9 / 100 is 0.9990000000000001.
    return round(body.target_percent / 100, 12)


def _compare(document: Document, good: Measure, total: Measure) -> Iterable[Problem]:
    for side, path in ((good, GOOD), (total, TOTAL)):
        if side.evaluator is not None and side.outcome is not None:
            allowed = "allowed: evaluator (quality) or outcome (availability), not both"
            yield document.problem((*path, "outcome"), allowed)
    if good.evaluator is None and good.outcome is None:
        allowed = "allowed: evaluator and verdict: pass (quality), or outcome: ok (availability)"
        yield document.problem(GOOD, allowed, "neither evaluator nor outcome")
    if (good.evaluator is None) != (good.verdict is None):
        yield document.problem((*GOOD, "verdict"), "evaluator and verdict: pass go together")
    for field in ("verdict", "outcome"):
        if getattr(total, field) is not None:
            yield document.problem((*TOTAL, field), f"total counts all of them; drop {field}")
    for field in ("task", "environment", "evaluator"):
        if getattr(total, field) != getattr(good, field):
            same = getattr(good, field)
            allowed = f"allowed: the same as on good, {same!r}" if same else f"drop {field}"
            yield document.problem((*TOTAL, field), allowed)


def _own_tiers(body: SloBody) -> Catalogue:
    window = parse_duration(body.time_window[0].duration)
    conditions = (item.spec for policy in body.alert_policies for item in policy.spec.conditions)
    return tuple(
        AlertTier.of(
            spec.severity,
            parse_duration(spec.condition.lookback_window),
            spec.condition.threshold,
            window,
        )
        for spec in conditions
    )


def _find_unreachable(document: Document, slo: Slo) -> Problem | None:
    found = find_infeasibility(slo)
    if found is None:
        return None
    limit = max_burn(slo.objective)
    tiers = ", ".join(
        f"{tier.severity} at {tier.factor:g} over {write_duration(tier.long)}"
        for tier in found.unreachable
    )
    what = f"tiers that cannot fire ({tiers}): at a target of {slo.objective:g}"
    shown = f"{what} a total failure burns {limit:.4g} times the sustainable rate, no more"
    if not found.proposed:
        return document.problem(POLICIES, _advise_without_proposal(limit), shown)
    advice = "this catalogue works; put it under spec:\n" + write_catalogue(found.proposed)
    return document.problem(POLICIES, advice, shown)


def _advise_without_proposal(limit: float) -> str:
    return (
        f"no catalogue leaves room for noise here ({MAX_BURN_SHARE:g} of {limit:.4g} is not above "
        "1): turn the indicator around, so that what is rare counts as bad, or declare one "
        f"tier with a threshold from 1 to {limit:.4g} over a long window"
    )


def write_catalogue(tiers: Catalogue) -> str:
    """The tiers as `alertPolicies`, indented to stand below `spec:`."""
    conditions: list[dict[str, Any]] = [
        {
            "kind": "AlertCondition",
            "spec": {
                "severity": tier.severity,
                "condition": {
                    "kind": "burnrate",
                    "op": "gt",
                    "threshold": tier.factor,
                    "lookbackWindow": write_duration(tier.long),
                },
            },
        }
        for tier in tiers
    ]
    policies = [{"kind": "AlertPolicy", "spec": {"conditions": conditions}}]
    text = yaml.safe_dump({"alertPolicies": policies}, sort_keys=False)
    return "".join(f"  {line}" for line in text.splitlines(keepends=True)).rstrip()
