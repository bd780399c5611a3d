"""OpenSLO in other words, brought to those of v1: version v2alpha, names in place of references.

Source: OpenSLO, `enhancements/v2alpha.md`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from service.specs.problems import Path

V1 = "openslo/v1"
V2 = frozenset({"openslo.com/v2alpha", "openslo/v2alpha"})

_V1_OF_V2 = {"sli": "indicator", "sliRef": "indicatorRef"}
_V2_OF_V1 = {v1: v2 for v2, v1 in _V1_OF_V2.items()} | {"metricSourceRef": "dataSourceRef"}
_REFERENCES = {
    "alertPolicies": "alertPolicyRef",
    "conditions": "conditionRef",
    "notificationTargets": "targetRef",
}
_SIDES = frozenset({"good", "bad", "total", "raw", "thresholdMetric"})
# Whatever a data source or a person likes to write; the null in it may mean something.
_FREE = frozenset({"connectionDetails", "labels", "annotations"})


def to_v1(content: Mapping[str, Any], is_v2: bool) -> dict[str, Any]:
    """The document in the words of v1, without what is given as nothing."""
    return _translate(content, _rename_v2 if is_v2 else dict)


def spell_as_v2(path: Path) -> Path:
    """Where v2alpha has what v1 has at this path.

    >>> spell_as_v2(("spec", "indicator", "spec", "thresholdMetric", "metricSource", "type"))
    ('spec', 'sli', 'spec', 'thresholdMetric', 'dataSourceSpec', 'type')
    """
    spelt: list[str | int] = []
    for before, part in zip((None, *path), path, strict=False):
        if part == "metricSource":
            continue
        if before == "metricSource" and part == "type":
            spelt.append("dataSourceSpec")
        spelt.append(_V2_OF_V1.get(part, part) if isinstance(part, str) else part)
    return tuple(spelt)


def _translate(
    content: Mapping[str, Any], rename: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    translated: dict[str, Any] = {}
    for key, value in rename(content).items():
        if value is None:
            continue
        if key in _FREE:
            translated[key] = value
        elif key == "metricSource" and isinstance(value, Mapping):
            rest = {name: item for name, item in value.items() if item is not None}
            translated[key] = rest
        else:
            translated[key] = _translate_value(key, value, rename)
    return translated


def _translate_value(
    key: str, value: Any, rename: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Any:
    if isinstance(value, Mapping):
        if key in _SIDES and rename is _rename_v2:
            value = _wrap_source(value)
        return _translate(value, rename)
    if isinstance(value, list):
        return [
            {_REFERENCES[key]: item}
            if key in _REFERENCES and isinstance(item, str)
            else _translate_value("", item, rename)
            for item in value
        ]
    return value


def _rename_v2(content: Mapping[str, Any]) -> dict[str, Any]:
    return {_V1_OF_V2.get(key, key): value for key, value in content.items()}


def _wrap_source(metric: Mapping[str, Any]) -> dict[str, Any]:
    """v2alpha has no `metricSource` around these three."""
    rest = dict(metric)
    source: dict[str, Any] = {}
    if "dataSourceRef" in rest:
        source["metricSourceRef"] = rest.pop("dataSourceRef")
    if isinstance(rest.get("dataSourceSpec"), Mapping):
        source["type"] = rest.pop("dataSourceSpec").get("type")
    if "spec" in rest:
        source["spec"] = rest.pop("spec")
    return {**rest, "metricSource": source}
