"""What is assumed of documents that were written for others, and when nothing may be."""

from typing import Any

import pytest

from tests.specs.written import an_object, an_slo, faults, good, read, warnings


def with_policy(**changes: Any) -> dict[str, Any]:
    condition = {"kind": "burnrate", "op": "gt", "threshold": 5, "lookbackWindow": "6h"}
    spec = {"conditions": [{"kind": "AlertCondition", "spec": {"severity": "page"}}]}
    body: dict[str, Any] = spec["conditions"][0]["spec"]  # type: ignore[assignment]
    body["condition"] = condition
    for name, value in changes.items():
        holder: Any = spec
        if name in {"op", "alertAfter", "kind"}:
            holder = condition
        elif name == "severity":
            holder = body
        holder[name] = value
    return an_slo(alertPolicies=[{"kind": "AlertPolicy", "spec": spec}])


def threshold() -> dict[str, Any]:
    metric = {"metricSource": {"type": "watchkeeper", "spec": {"task": "answer"}}}
    metric["metricSource"]["spec"]["measure"] = "latencyMs"  # type: ignore[index]
    objectives = [{"target": 0.99, "op": "lt", "value": 300}]
    return an_slo(indicator={"spec": {"thresholdMetric": metric}}, objectives=objectives)


def gauge() -> dict[str, Any]:
    metric = good(outcome="ok")
    metric["ratioMetric"]["counter"] = False
    return an_slo(indicator={"spec": metric})


ASSUMED = [
    (an_slo(owner="care"), "spec.owner: assumed: it means nothing here, so it is left out"),
    (
        an_slo(objectives=[{"target": 0.99, "op": "gt"}]),
        "spec.objectives[0].op: assumed: nothing; op goes with a thresholdMetric",
    ),
    (threshold(), "spec.objectives[0].op: assumed: lte"),
    (gauge(), "spec.indicator.spec.ratioMetric.counter: assumed: true"),
    (with_policy(op="lte"), "condition.op: assumed: gt; what alerts is a budget that burns"),
    (with_policy(alertAfter="5m"), "condition.alertAfter: assumed: a twelfth of the lookback"),
    (with_policy(severity="sev1"), "severity: assumed: page"),
    (with_policy(severity="Warning"), "severity: assumed: ticket"),
    (with_policy(alertWhenNoData=True), "alertWhenNoData: assumed: an incident of its own"),
    (
        with_policy(
            notificationTargets=[{"kind": "AlertNotificationTarget", "spec": {"target": "slack"}}]
        ),
        "notificationTargets[0]: assumed: the channels of the app",
    ),
]


@pytest.mark.parametrize(("document", "told"), ASSUMED)
def test_what_is_assumed_is_told(document: dict[str, Any], told: str) -> None:
    (warning,) = warnings(document)
    assert told in warning


@pytest.mark.parametrize(("document", "told"), ASSUMED)
def test_where_nothing_may_be_assumed_it_is_a_fault(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(document, strict=True)
    assert told.partition("assumed: ")[2] in fault
    assert "a warning, and so a fault where warnings are" in fault


def test_a_warning_says_where_it_is_and_what_was_found() -> None:
    (warning,) = read(with_policy(op="lte")).warnings
    assert (warning.file, warning.document, warning.line) == ("d.yaml", 1, 38)
    assert str(warning).startswith(
        "d.yaml:38, document 1, spec.alertPolicies[0].spec.conditions[0].spec.condition.op: "
        "found 'lte'; assumed: gt"
    )


def test_a_named_target_of_another_tool_is_told() -> None:
    target = an_object("AlertNotificationTarget", "mail", target="email")
    document = with_policy(notificationTargets=[{"targetRef": "mail"}])
    (warning,) = warnings(target, document)
    assert "notificationTargets[0]: assumed: the channels of the app" in warning


def test_what_others_write_for_themselves_is_no_warning() -> None:
    document = an_slo(description="Long")
    document["metadata"] |= {"labels": {"a": ["b"]}, "annotations": {"other.org/x": "1"}}
    assert warnings(document) == []


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (an_slo(alertPolicy=[]), "unknown field 'alertPolicy'; did you mean 'alertPolicies'?"),
        (with_policy(severity="loud"), "severity: found 'loud'; allowed: 'page' or 'ticket'"),
        (with_policy(alertWhenBreaching=False), "a policy that does not alert is left out"),
        (with_policy(kind="budget"), "condition.kind: found 'budget'; allowed: 'burnrate'"),
        (with_policy(conditions=[]), "conditions: found a list of 0; allowed: at least 1"),
        (with_policy(conditions=[{}]), "allowed: conditionRef, or kind: AlertCondition and spec"),
        (an_slo(alertPolicies=[{}]), "allowed: alertPolicyRef, or kind: AlertPolicy and spec"),
    ],
)
def test_what_may_be_meant_otherwise_is_a_fault(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(document)
    assert told in fault


def test_a_misspelt_annotation_of_ours_is_a_fault() -> None:
    document = an_slo()
    document["metadata"]["annotations"] = {"watchkeeper/error-budgets-policy": "[]"}
    (fault,) = faults(document)
    assert "did you mean 'watchkeeper/error-budget-policy'?" in fault


@pytest.mark.parametrize("text", ["{", "7", "{}", '{"longS": "x", "shortS": 1, "budgetShare": 1}'])
def test_a_tier_annotation_that_cannot_be_is_a_fault(text: str) -> None:
    document = with_policy()
    condition = document["spec"]["alertPolicies"][0]["spec"]["conditions"][0]
    condition["metadata"] = {"name": "x", "annotations": {"watchkeeper/tier": text}}
    (fault,) = faults(document)
    assert 'allowed: {"longS": ..., "shortS": ..., "budgetShare": ...} as JSON' in fault
