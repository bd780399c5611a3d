"""What an evaluator is: it turns one stored call into a score between 0 (bad) and 1 (good).

A whole evaluator, complete:

    from collections.abc import Sequence
    from typing import ClassVar

    from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier

    class Politeness:
        name: ClassVar[str] = "politeness"
        revision: ClassVar[str] = "1"
        unit: ClassVar[str | None] = None
        tier: ClassVar[Tier] = "cheap"
        reads_contract: ClassVar[bool] = False
        Config: ClassVar[type[EvaluatorConfig]] = EvaluatorConfig

        def __init__(self, config: EvaluatorConfig, task: Task) -> None: ...

        def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
            return [None if s.response is None else Score(float("please" in s.response))
                    for s in samples]

Declare it under the entry-point group `watchkeeper.evaluators` and check it in your own tests with
`evaluators.testing.check_evaluator`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

# How much one score costs: arithmetic on the text; a local model; a paid call of a remote model.
Tier = Literal["cheap", "model", "judge"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored call as evaluators see it: nothing here says which user or which day it was."""

    prompt: str | None = None
    response: str | None = None
    reference: str | None = None
    outcome: str = "ok"
    finish_reason: str | None = None
    latency_ms: float | None = None
    output_tokens: int | None = None
    attributes: Mapping[str, str | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """What evaluators may know of the task: its name and, where it has one, its JSON Schema."""

    name: str
    contract: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """The value, a word to group by, and a sentence for the person who reads the incident.

    `value` lies in [0, 1] and 1 is best, unless the evaluator declares a `unit`: then it is any
    finite number >= 0 in that unit. Label and explanation are kept longer and shown to more people
    than the answer itself, so they name rules and places and do not quote the answer.
    """

    value: float
    label: str = ""
    explanation: str = ""


def fault_in(score: Score, unit: str | None) -> str | None:
    """Why this score must not be stored, or None when it may be.

    >>> fault_in(Score(0.5), unit=None) is None
    True
    >>> fault_in(Score(1200.0), unit=None)
    'value 1200.0 is outside [0, 1]; an evaluator that measures a quantity declares its unit'
    """
    if not math.isfinite(score.value):
        return f"value {score.value} is not finite"
    if score.value < 0 or (unit is None and score.value > 1):
        allowed = "[0, 1]; an evaluator that measures a quantity declares its unit"
        return f"value {score.value} is outside {allowed if unit is None else '[0, infinity)'}"
    return None


@dataclass(frozen=True, slots=True)
class PassRule:
    """When a score counts as good: at least this much, at most that much, or between the two."""

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if not bounds:
            raise ValueError("a pass rule needs atLeast, atMost or both")
        if not all(math.isfinite(bound) for bound in bounds):
            raise ValueError("the bounds of a pass rule are finite numbers")
        if sorted(bounds) != bounds:
            raise ValueError(f"atLeast {self.at_least} is above atMost {self.at_most}")

    def passes(self, value: float) -> bool:
        """
        >>> PassRule(at_least=0.5).passes(0.5), PassRule(at_most=2000).passes(2001)
        (True, False)
        """
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


class EvaluatorConfig(BaseModel):
    """A base for `Config`: a misspelt key is an error, not a setting silently left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Evaluator(Protocol):
    """Built once per task, then asked for whole batches, on any thread, in any order.

    `score_batch` answers one entry per sample, in order, and the same entry whatever else is in the
    batch. None means "does not apply": no response (the call failed; availability counts it), no
    reference. It never raises for what a model or a user wrote.
    """

    name: ClassVar[str]
    revision: ClassVar[str]
    """Bumped when the same sample may get another score: old and new scores are never mixed."""
    unit: ClassVar[str | None]
    tier: ClassVar[Tier]
    reads_contract: ClassVar[bool]
    """Whether a new contract makes a new evaluator version."""
    Config: ClassVar[type[BaseModel]]

    def __init__(self, config: Any, task: Task) -> None: ...

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]: ...
