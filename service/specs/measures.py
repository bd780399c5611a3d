"""The data source `watchkeeper`: what may be said of a metric that we count ourselves."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from service.domain.indicators import Filters
from service.specs.openslo_shapes import Weight
from service.specs.shapes import Finite, Name, Shape, Text

SOURCE = "watchkeeper"
Chosen = Annotated[str, Field(max_length=200)]


class Bound(Shape):
    """A limit of a measured quantity: `atMost` of what is good, `above` of what is bad."""

    at_most: Finite | None = None
    above: Finite | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Bound":
        if (self.at_most is None) == (self.above is None):
            raise ValueError("allowed: atMost (what is good), or above (what is bad)")
        return self


class Part(Shape):
    """An SLO as a part of a composite one."""

    slo: Name
    weight: Weight = 1.0


class Measure(Shape):
    """What a metric counts: where, and on the good or bad side which of them.

    outcome, verdict, contract, latency_ms, signals: what makes one good or bad.
    measure, members: what is measured where nothing is counted.
    """

    task: Name | None = None
    environment: Text = "production"
    release: Chosen | None = None
    model: Chosen | None = None
    prompt_version: Chosen | None = None
    outcome: Literal["ok", "error"] | None = None
    evaluator: Text | None = None
    verdict: Literal["pass", "fail"] | None = None
    contract: Literal["valid", "invalid"] | None = None
    latency_ms: Bound | None = None
    signals: Annotated[list[Text], Field(min_length=1)] | None = None
    measure: Literal["latencyMs", "costPerCallUsd", "calls", "meanScore"] | None = None
    members: Annotated[list[Part], Field(min_length=1, max_length=50)] | None = None

    @property
    def filters(self) -> Filters:
        """Which calls of the task."""
        return Filters(self.release, self.model, self.prompt_version)

    def given(self, *names: str) -> list[str]:
        """Which of these fields say something."""
        return [name for name in names if getattr(self, name) is not None]


def alias(name: str) -> str:
    """What a field is called in a document.

    >>> alias("latency_ms")
    'latencyMs'
    """
    return Measure.model_fields[name].alias or name
