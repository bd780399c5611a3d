"""SLOs as OpenSLO v1 documents: what is written is read as the same SLO, by us and by others."""

import json
import re
from collections.abc import Iterable
from datetime import UTC
from typing import Any

import yaml

from service.domain.alert_windows import standard_catalogue
from service.domain.budget_windows import find_zone
from service.domain.indicators import Filters, Indicator
from service.domain.slos import Budgeting, Method, Slo
from service.specs.dialects import V1
from service.specs.durations import write_duration, write_period
from service.specs.measures import SOURCE
from service.specs.read_documents import escape_variables
from service.specs.read_policy import ANNOTATION, DISPLAY_NAME
from service.specs.write_tiers import write_label, write_policies

# The writer would leave these as they are, and the reader take them for the end of a line.
_LINE_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
# OpenSLO's own limit.
_LONGEST_DISPLAY_NAME = 63
_METHODS: dict[Method, str] = {
    "occurrences": "Occurrences",
    "timeslices": "Timeslices",
    "ratio_timeslices": "RatioTimeslices",
}


def write_slo_document(slo: Slo, display_name: str | None = None) -> dict[str, Any]:
    """The SLO as an OpenSLO v1 document, for `yaml.safe_dump` or JSON.

    Tiers that the standard catalogue has for the window are left out, as they need not be given.
    What OpenSLO has no field for stands in annotations.
    """
    spec: dict[str, Any] = {
        "service": slo.app,
        "indicator": {
            "metadata": {"name": write_label(slo.name)},
            "spec": _write_indicator(slo.indicator),
        },
        "timeWindow": [_write_window(slo)],
        "budgetingMethod": _METHODS[slo.budgeting.method],
        "objectives": [_write_objective(slo)],
    }
    if slo.tiers != standard_catalogue(slo.window):
        spec["alertPolicies"] = write_policies(slo.tiers, slo.window)
    metadata = _write_metadata(slo, display_name)
    document = {"apiVersion": V1, "kind": "SLO", "metadata": metadata, "spec": spec}
    return {key: _escape(value) for key, value in document.items()}


def write_slos(slos: Iterable[tuple[Slo, str | None]]) -> str:
    """These (SLO, display name) as YAML, a document each."""
    documents = [write_slo_document(slo, display_name) for slo, display_name in slos]
    is_plain = not _LINE_BREAKS.search(json.dumps(documents, ensure_ascii=False))
    return yaml.safe_dump_all(
        documents, sort_keys=False, default_flow_style=None, allow_unicode=is_plain, width=100
    )


def _escape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escape(item) for item in value]
    return escape_variables(value) if isinstance(value, str) else value


def _write_metadata(slo: Slo, display_name: str | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": slo.name}
    annotations = {}
    if display_name and display_name != slo.name:
        metadata["displayName"] = display_name[:_LONGEST_DISPLAY_NAME]
        if len(display_name) > _LONGEST_DISPLAY_NAME:
            annotations[DISPLAY_NAME] = display_name
    if slo.policy:
        policy = [{"remaining": each.at_remaining, "action": each.action} for each in slo.policy]
        annotations[ANNOTATION] = json.dumps(policy)
    return metadata | ({"annotations": annotations} if annotations else {})


def _write_window(slo: Slo) -> dict[str, Any]:
    calendar = slo.calendar
    if calendar is None:
        return {"duration": write_duration(slo.window), "isRolling": True}
    since = calendar.since.astimezone(UTC).astimezone(find_zone(calendar.zone))
    start = since.replace(tzinfo=None, microsecond=0).isoformat(sep=" ")
    return {
        "duration": write_period(calendar.unit, calendar.count),
        "isRolling": False,
        "calendar": {"startTime": start, "timeZone": calendar.zone},
    }


def _write_objective(slo: Slo) -> dict[str, Any]:
    return {
        **_write_comparison(slo.indicator),
        "target": slo.objective,
        **_write_slices(slo.budgeting),
    }


def _write_comparison(indicator: Indicator) -> dict[str, Any]:
    if indicator.kind == "freshness":
        return {"op": "gte", "value": 1}
    return {"op": "lte", "value": indicator.limit} if indicator.kind == "cost" else {}


def _write_slices(budgeting: Budgeting) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if budgeting.slice_target is not None:
        written["timeSliceTarget"] = budgeting.slice_target
    if budgeting.slice_length is not None:
        written["timeSliceWindow"] = write_duration(budgeting.slice_length)
    return written


def _write_indicator(indicator: Indicator) -> dict[str, Any]:
    where = _write_selectors(indicator)
    scored = {**where, "evaluator": indicator.evaluator}
    match indicator.kind:
        case "availability":
            return _write_ratio("good", {**where, "outcome": "ok"}, where)
        case "latency":
            bound = {"latencyMs": {"atMost": indicator.limit}}
            return _write_ratio("good", {**where, **bound}, where)
        case "quality":
            return _write_ratio("good", {**scored, "verdict": "pass"}, scored)
        case "signals":
            return _write_ratio("bad", {**where, "signals": list(indicator.signals)}, where)
        case "mean":
            return _write_raw({**scored, "measure": "meanScore"})
        case "composite":
            members = [{"slo": part.slo, "weight": part.weight} for part in indicator.members]
            return _write_raw({"environment": indicator.environment, "members": members})
        case "cost":
            return {"thresholdMetric": _write_metric({**where, "measure": "costPerCallUsd"})}
        case "freshness":
            return {"thresholdMetric": _write_metric({**where, "measure": "calls"})}


def _write_selectors(indicator: Indicator) -> dict[str, Any]:
    filters: Filters = indicator.filters
    chosen = {
        "release": filters.release,
        "model": filters.model,
        "promptVersion": filters.prompt_version,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return {"task": indicator.task, "environment": indicator.environment, **given}


def _write_ratio(name: str, side: dict[str, Any], total: dict[str, Any]) -> dict[str, Any]:
    metric = {"counter": True, name: _write_metric(side), "total": _write_metric(total)}
    return {"ratioMetric": metric}


def _write_raw(spec: dict[str, Any]) -> dict[str, Any]:
    return {"ratioMetric": {"rawType": "success", "raw": _write_metric(spec)}}


def _write_metric(spec: dict[str, Any]) -> dict[str, Any]:
    return {"metricSource": {"type": SOURCE, "spec": spec}}
