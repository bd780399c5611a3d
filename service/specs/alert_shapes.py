"""The shapes of OpenSLO's alerting objects: field names, types and limits, no meaning yet.

Source: the OpenSLO specification, v1.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from service.specs.shapes import Duration, Prose, Shape, Text

Operator = Literal["gt", "gte", "lt", "lte"]


class ObjectMetadata(Shape):
    """What an object is called; labels and other people's annotations are for them."""

    name: Text
    display_name: Text | None = None
    labels: dict[str, Any] = Field(default={})
    annotations: dict[str, str] = Field(default={})


class BurnCondition(Shape):
    """When an alert fires."""

    kind: Literal["burnrate"] = "burnrate"
    op: Operator = "gt"
    threshold: Annotated[float, Field(gt=0, le=100_000)]
    lookback_window: Duration
    alert_after: Text | None = None


class ConditionBody(Shape):
    """`spec` of kind AlertCondition."""

    description: Prose = ""
    severity: Text
    condition: BurnCondition


class Condition(Shape):
    """A condition inside of a policy, or the name of one."""

    condition_ref: Text | None = None
    kind: Literal["AlertCondition"] | None = None
    metadata: ObjectMetadata | None = None
    spec: ConditionBody | None = None

    @model_validator(mode="after")
    def _is_here_or_elsewhere(self) -> "Condition":
        if (self.condition_ref is None) == (self.spec is None):
            raise ValueError("allowed: conditionRef, or kind: AlertCondition and spec")
        return self


class TargetBody(Shape):
    """`spec` of kind AlertNotificationTarget."""

    description: Prose = ""
    target: Text


class Target(Shape):
    """A notification target inside of a policy, or the name of one."""

    target_ref: Text | None = None
    kind: Literal["AlertNotificationTarget"] | None = None
    metadata: ObjectMetadata | None = None
    spec: TargetBody | None = None

    @model_validator(mode="after")
    def _is_here_or_elsewhere(self) -> "Target":
        if (self.target_ref is None) == (self.spec is None):
            raise ValueError("allowed: targetRef, or kind: AlertNotificationTarget and spec")
        return self


class PolicyBody(Shape):
    """`spec` of kind AlertPolicy."""

    description: Prose = ""
    alert_when_no_data: bool | None = None
    alert_when_resolved: bool | None = None
    alert_when_breaching: bool | None = None
    conditions: Annotated[list[Condition], Field(min_length=1)]
    notification_targets: list[Target] = Field(default=[])


class Policy(Shape):
    """An alert policy inside of an SLO, or the name of one."""

    alert_policy_ref: Text | None = None
    kind: Literal["AlertPolicy"] | None = None
    metadata: ObjectMetadata | None = None
    spec: PolicyBody | None = None

    @model_validator(mode="after")
    def _is_here_or_elsewhere(self) -> "Policy":
        if (self.alert_policy_ref is None) == (self.spec is None):
            raise ValueError("allowed: alertPolicyRef, or kind: AlertPolicy and spec")
        return self
