"""`thresholdMetric` to indicators: a measured quantity, and the value that keeps it good."""

from service.domain.indicators import IndicatorKind
from service.specs.documents import Findings
from service.specs.measures import Measure, alias
from service.specs.openslo_shapes import ObjectiveBody
from service.specs.references import Placed

_KINDS: dict[str, IndicatorKind] = {
    "latencyMs": "latency",
    "costPerCallUsd": "cost",
    "calls": "freshness",
}
_CRITERIA = ("outcome", "evaluator", "verdict", "contract", "latency_ms", "signals", "members")


def read_threshold(
    source: Placed[Measure], objective: Placed[ObjectiveBody], findings: Findings
) -> tuple[IndicatorKind, float | None] | None:
    """The kind of indicator and its limit; None: it has faults, which are noted."""
    body = source.body
    if body.evaluator is not None:
        told = (
            "allowed of a threshold: measure. From where on a score is good stands in the task, "
            "`passes`; count what passes by ratioMetric"
        )
        findings.refuse(source.document, source.below("evaluator"), told)
        return None
    if body.measure is None or body.measure not in _KINDS:
        told = f"allowed: {', '.join(_KINDS)}"
        findings.refuse(source.document, source.below("measure"), told)
        return None
    if given := body.given(*_CRITERIA):
        told = f"drop {alias(given[0])}; op and value of the objective say what is good"
        findings.refuse(source.document, source.below(alias(given[0])), told)
        return None
    if body.task is None:
        findings.refuse(source.document, source.below("task"), "this field is required")
        return None
    kind = _KINDS[body.measure]
    return (
        _read_freshness(objective, findings)
        if kind == "freshness"
        else _read_limit(kind, objective, findings)
    )


def _read_limit(
    kind: IndicatorKind, objective: Placed[ObjectiveBody], findings: Findings
) -> tuple[IndicatorKind, float | None] | None:
    op, value = objective.body.op, objective.body.value
    if op is None or value is None:
        missing = "op" if op is None else "value"
        told = f"a {kind} is compared: this field is required, like op: lte and value: 2000"
        findings.refuse(objective.document, objective.below(missing), told)
        return None
    if op in ("gt", "gte"):
        told = f"allowed: lte; a {kind} above its limit is what is bad"
        findings.refuse(objective.document, objective.below("op"), told)
        return None
    if op == "lt":
        told = "assumed: lte; what is at the limit is good, too"
        findings.assume(objective.document, objective.below("op"), told)
    return kind, value


def _read_freshness(
    objective: Placed[ObjectiveBody], findings: Findings
) -> tuple[IndicatorKind, None] | None:
    given = objective.body.op, objective.body.value
    if given not in {("gte", 1.0), ("gt", 0.0)}:
        told = "allowed with measure: calls: op: gte and value: 1 (any call makes a slice good)"
        findings.refuse(objective.document, objective.path, told)
        return None
    return "freshness", None
