"""The shapes of OpenSLO documents, version v1: field names, types and limits, no meaning yet.

Source: the OpenSLO specification, v1. `ErrorBudgetPolicy` is our own extension of it.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from service.specs.alert_shapes import (
    ConditionBody,
    ObjectMetadata,
    Operator,
    Policy,
    PolicyBody,
    TargetBody,
)
from service.specs.durations import parse_duration, parse_period
from service.specs.shapes import (
    DocumentShape,
    Finite,
    Name,
    Percent,
    Prose,
    Ratio,
    Shape,
    Text,
)

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SloMetadata(ObjectMetadata):
    """... of an SLO, whose name stands in addresses."""

    name: Name


class MetricSource(Shape):
    """Where a metric comes from; `spec` has the words of that source."""

    metric_source_ref: Text | None = None
    type: Text | None = None
    spec: dict[str, Any]


class Metric(Shape):
    """One side of a ratio, or all of a measured quantity."""

    metric_source: MetricSource


class RatioMetric(Shape):
    """Good / total, 1 - bad / total, or a ratio as it is."""

    counter: bool | None = None
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw_type: Literal["success", "failure"] | None = None
    raw: Metric | None = None

    @model_validator(mode="after")
    def _is_one_of_three(self) -> "RatioMetric":
        given = tuple(
            name for name in ("good", "bad", "total", "raw") if getattr(self, name) is not None
        )
        if given not in {("good", "total"), ("bad", "total"), ("raw",)}:
            raise ValueError("allowed: good and total, bad and total, or raw and rawType")
        if (self.raw is None) != (self.raw_type is None):
            raise ValueError("allowed: raw and rawType together")
        return self


class IndicatorBody(Shape):
    """`spec` of kind SLI."""

    description: Prose = ""
    ratio_metric: RatioMetric | None = None
    threshold_metric: Metric | None = None

    @model_validator(mode="after")
    def _has_one_metric(self) -> "IndicatorBody":
        if (self.ratio_metric is None) == (self.threshold_metric is None):
            raise ValueError("allowed: exactly one of ratioMetric and thresholdMetric")
        return self


def _is_any_duration(text: str) -> str:
    try:
        parse_period(text)
    except ValueError:
        try:
            parse_duration(text)
        except ValueError as error:
            raise ValueError(f"{error} (in calendars M, Q and Y, too)") from None
    return text


AnyDuration = Annotated[str, AfterValidator(_is_any_duration)]


class InlineIndicator(Shape):
    """An SLI inside of an SLO."""

    kind: Literal["SLI"] | None = None
    metadata: ObjectMetadata | None = None
    spec: IndicatorBody


class CalendarBody(Shape):
    """Since when periods are counted, and where it is midnight when one begins."""

    start_time: Any
    time_zone: Text


class TimeWindow(Shape):
    """The window that the budget is for."""

    duration: AnyDuration
    is_rolling: bool | None = None
    calendar: CalendarBody | None = None


class ObjectiveBody(Shape):
    """The objective, as a ratio or in percent."""

    display_name: Text | None = None
    op: Operator | None = None
    value: Finite | None = None
    target: Ratio | None = None
    target_percent: Percent | None = None
    time_slice_target: Annotated[float, Field(gt=0, le=1)] | None = None
    time_slice_window: Any = None
    indicator: InlineIndicator | None = None
    indicator_ref: Text | None = None
    composite_weight: Weight | None = None

    @model_validator(mode="after")
    def _has_one_target(self) -> "ObjectiveBody":
        if (self.target is None) == (self.target_percent is None):
            raise ValueError("allowed: exactly one of target and targetPercent")
        if self.indicator is not None and self.indicator_ref is not None:
            raise ValueError("allowed: one of indicator and indicatorRef, not both")
        return self

    @property
    def objective(self) -> float:
        """The target as a ratio."""
        if self.target is not None:
            return self.target
        assert self.target_percent is not None  # noqa: S101 - the shape has exactly one of them
        # 99.9 / 100 is 0.9990000000000001.
        return round(self.target_percent / 100, 12)


class ConsequenceBody(Shape):
    """What happens once no more than this share of the budget remains."""

    remaining: Annotated[float, Field(lt=1, allow_inf_nan=False)]
    action: Literal["notify", "freeze"]


class SloBody(Shape):
    """`spec` of kind SLO."""

    description: Prose = ""
    service: Text
    indicator: InlineIndicator | None = None
    indicator_ref: Text | None = None
    time_window: list[TimeWindow] = Field(default=[], min_length=1, max_length=1)
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"]
    objectives: Annotated[list[ObjectiveBody], Field(min_length=1, max_length=20)]
    alert_policies: list[Policy] = Field(default=[])
    error_budget_policy: list[ConsequenceBody] = Field(default=[])


class ServiceBody(Shape):
    """`spec` of kind Service."""

    description: Prose = ""


class DataSourceBody(Shape):
    """`spec` of kind DataSource."""

    description: Prose = ""
    type: Text
    connection_details: Any = None


class SloDocument(DocumentShape):
    """An SLO."""

    metadata: SloMetadata
    spec: SloBody


class ObjectDocument(DocumentShape):
    """Any other OpenSLO object: it is there for SLOs to refer to."""

    metadata: ObjectMetadata
    spec: Shape


class SliDocument(ObjectDocument):
    """An indicator by itself."""

    spec: IndicatorBody


class PolicyDocument(ObjectDocument):
    """An alert policy by itself."""

    spec: PolicyBody


class ConditionDocument(ObjectDocument):
    """An alert condition by itself."""

    spec: ConditionBody


class TargetDocument(ObjectDocument):
    """A notification target by itself."""

    spec: TargetBody


class ServiceDocument(ObjectDocument):
    """A service: what is an app here."""

    spec: ServiceBody = ServiceBody()


class DataSourceDocument(ObjectDocument):
    """A data source."""

    spec: DataSourceBody
