"""OpenSLO documents as people write them, with what the parser makes of them."""

from typing import Any

import pytest
import yaml

from service.specs.declarations import Declarations, Known
from service.specs.parse_declarations import parse_declarations
from service.specs.problems import InvalidDeclarationError

SEPARATE = """
apiVersion: openslo/v1
kind: DataSource
metadata: {name: our-counts}
spec: {type: watchkeeper, connectionDetails: {}}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: support, displayName: Support}
spec: {description: What the App of the same name is}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: not-refused}
spec:
  ratioMetric:
    counter: true
    good:
      metricSource:
        metricSourceRef: our-counts
        spec: {task: answer, evaluator: refusal, verdict: pass}
    total:
      metricSource: {metricSourceRef: our-counts, spec: {task: answer, evaluator: refusal}}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: phone}
spec: {target: watchkeeper}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 5, lookbackWindow: 6h}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: burns, labels: {team: [care]}, annotations: {example.com/key: value}}
spec:
  alertWhenBreaching: true
  alertWhenResolved: true
  conditions: [{conditionRef: fast}]
  notificationTargets: [{targetRef: phone}, {targetRef: on-call}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: given, displayName: Answers given}
spec:
  description: Most questions get an answer
  service: support
  indicatorRef: not-refused
  timeWindow:
    - duration: 1M
      calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Vienna}
      isRolling: false
  budgetingMethod: Occurrences
  objectives: [{targetPercent: 95}]
  alertPolicies: [{alertPolicyRef: burns}]
"""
V2 = """
apiVersion: openslo.com/v2alpha
kind: SLO
metadata: {name: given, labels: {env: prod}}
spec:
  service: support
  sli:
    metadata: {name: not-refused}
    spec:
      ratioMetric:
        good:
          dataSourceSpec: {type: watchkeeper}
          spec: {task: answer, evaluator: refusal, verdict: pass}
        total:
          dataSourceRef: watchkeeper
          spec: {task: answer, evaluator: refusal}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.95}]
  alertPolicies:
"""
KNOWN = Known(
    apps=frozenset({"support"}),
    channels=frozenset({"on-call"}),
    evaluators={("support", "answer"): frozenset({"refusal", "contract", "faithfulness"})},
)


def source(**spec: Any) -> dict[str, Any]:
    """A metric of our own data source."""
    return {"metricSource": {"type": "watchkeeper", "spec": {"task": "answer", **spec}}}


def good(**spec: Any) -> dict[str, Any]:
    """A ratio of good to total; evaluator and filters stand on both sides."""
    shared = {"evaluator", "model", "release", "promptVersion", "environment"}
    total = {name: value for name, value in spec.items() if name in shared}
    return {"ratioMetric": {"good": source(**spec), "total": source(**total)}}


def bad(**spec: Any) -> dict[str, Any]:
    """A ratio of bad to total."""
    shared = good(**spec)["ratioMetric"]
    return {"ratioMetric": {"bad": shared["good"], "total": shared["total"]}}


def an_slo(name: str = "given", **changes: Any) -> dict[str, Any]:
    """An SLO document; a change to None takes the field away."""
    spec = {
        "service": "support",
        "indicator": {"metadata": {"name": "i"}, "spec": good(outcome="ok")},
        "timeWindow": [{"duration": "28d", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"target": 0.99}],
        **changes,
    }
    given = {key: value for key, value in spec.items() if value is not None}
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name},
        "spec": given,
    }


def an_object(kind: str, name: str, /, **spec: Any) -> dict[str, Any]:
    """Any other OpenSLO document."""
    return {"apiVersion": "openslo/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def read(*documents: Any, strict: bool = False, known: Known = KNOWN) -> Declarations:
    """What these documents declare."""
    text = yaml.safe_dump_all(documents, sort_keys=False)
    return parse_declarations([("d.yaml", text)], {}, known, strict=strict)


def faults(*documents: Any, **more: Any) -> list[str]:
    """What is told of documents with faults."""
    with pytest.raises(InvalidDeclarationError) as caught:
        read(*documents, **more)
    return [str(problem) for problem in caught.value.problems]


def warnings(*documents: Any) -> list[str]:
    """What is assumed of these documents, by path."""
    return [f"{each.path}: {each.assumed}" for each in read(*documents).warnings]
