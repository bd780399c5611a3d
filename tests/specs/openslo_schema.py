"""What OpenSLO v1 allows in an SLO document, as its specification and its checker read."""

from typing import Any

_LABEL = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
_DURATION = {"type": "string", "pattern": r"^[1-9][0-9]*[mhdwMQY]$"}
_PROSE = {"type": "string", "maxLength": 1050}
_OPERATOR = {"enum": ["gt", "gte", "lt", "lte"]}


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_METADATA = _closed(
    ["name"],
    name=_LABEL,
    displayName={"type": "string", "maxLength": 63},
    labels={"type": "object"},
    annotations={
        "type": "object",
        "propertyNames": {
            "pattern": r"^([a-z0-9][-a-z0-9.]*/)?[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$"
        },
        "additionalProperties": {"type": "string"},
    },
)
_METRIC = _closed(
    ["metricSource"],
    metricSource=_closed(
        ["spec"],
        metricSourceRef=_LABEL,
        type={"type": "string"},
        spec={"type": "object", "minProperties": 1},
    ),
)
_RATIO = _closed(
    [],
    counter={"type": "boolean"},
    good=_METRIC,
    bad=_METRIC,
    total=_METRIC,
    raw=_METRIC,
    rawType={"enum": ["success", "failure"]},
) | {
    "oneOf": [
        {"required": ["good", "total"]},
        {"required": ["bad", "total"]},
        {"required": ["raw", "rawType"]},
    ]
}
_SLI = _closed([], description=_PROSE, ratioMetric=_RATIO, thresholdMetric=_METRIC) | {
    "minProperties": 1,
    "maxProperties": 1,
}
_ROLLING = _closed(["duration", "isRolling"], duration=_DURATION, isRolling={"const": True})
_ALIGNED = _closed(
    ["duration", "isRolling", "calendar"],
    duration=_DURATION,
    isRolling={"const": False},
    calendar=_closed(
        ["startTime", "timeZone"],
        startTime={"type": "string", "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"},
        timeZone={"type": "string"},
    ),
)
_OBJECTIVE = _closed(
    ["target"],
    displayName={"type": "string"},
    op=_OPERATOR,
    value={"type": "number"},
    target={"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    timeSliceTarget={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    timeSliceWindow=_DURATION,
)
_CONDITION = _closed(
    ["kind", "op", "threshold", "lookbackWindow"],
    kind={"const": "burnrate"},
    op=_OPERATOR,
    threshold={"type": "number"},
    lookbackWindow=_DURATION,
    alertAfter=_DURATION,
)


def _inline(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return _closed(
        ["kind", "metadata", "spec"], kind={"const": kind}, metadata=_METADATA, spec=spec
    )


_POLICY = _closed(
    ["conditions", "notificationTargets"],
    description=_PROSE,
    alertWhenNoData={"type": "boolean"},
    alertWhenBreaching={"type": "boolean"},
    alertWhenResolved={"type": "boolean"},
    conditions={
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": _inline(
            "AlertCondition",
            _closed(
                ["severity", "condition"],
                description=_PROSE,
                severity={"type": "string"},
                condition=_CONDITION,
            ),
        ),
    },
    notificationTargets={
        "type": "array",
        "minItems": 1,
        "items": _inline(
            "AlertNotificationTarget",
            _closed(["target"], target={"type": "string"}, description=_PROSE),
        ),
    },
)
_NEEDS_VALUE = {
    "if": {
        "properties": {"indicator": {"properties": {"spec": {"required": ["thresholdMetric"]}}}}
    },
    "then": {"properties": {"objectives": {"items": {"required": ["op", "value"]}}}},
    "else": {
        "properties": {
            "objectives": {
                "items": {"not": {"anyOf": [{"required": ["op"]}, {"required": ["value"]}]}}
            }
        }
    },
}


def _needs_slices(method: str, *fields: str) -> dict[str, Any]:
    return {
        "if": {"properties": {"budgetingMethod": {"const": method}}},
        "then": {"properties": {"objectives": {"items": {"required": list(fields)}}}},
    }


SLO: dict[str, Any] = _closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "openslo/v1"},
    kind={"const": "SLO"},
    metadata=_METADATA,
    spec=_closed(
        ["service", "indicator", "budgetingMethod", "objectives"],
        description=_PROSE,
        service={"type": "string", "minLength": 1},
        indicator=_closed(["metadata", "spec"], metadata=_METADATA, spec=_SLI),
        timeWindow={
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {"oneOf": [_ROLLING, _ALIGNED]},
        },
        budgetingMethod={"enum": ["Occurrences", "Timeslices", "RatioTimeslices"]},
        objectives={"type": "array", "minItems": 1, "items": _OBJECTIVE},
        alertPolicies={"type": "array", "items": _inline("AlertPolicy", _POLICY)},
    )
    | {
        "allOf": [
            _NEEDS_VALUE,
            _needs_slices("Timeslices", "timeSliceTarget", "timeSliceWindow"),
            _needs_slices("RatioTimeslices", "timeSliceWindow"),
        ]
    },
)
