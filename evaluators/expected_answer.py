"""Expected answer: the `reference` against the answer that a pattern finds in the response.

Source: exact match on an extracted answer, as in the task evaluations of LLMDrift (Chen, Zaharia,
Zou 2023, arXiv 2307.09009). Cost tier: cheap.

A pattern comes from a configuration and meets whatever a model wrote, so its worst case is bounded
when it is read (`regex_cost`): some patterns are refused, of very long answers the end that `take`
points at is read.

What it cannot tell: a right answer in other words or in another place; whether the way to it was
right; whether the reference is.
"""

import math
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, field_validator

from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier
from evaluators.regex_cost import readable_characters

CORRECT = Score(1.0, "correct")
WRONG = Score(0.0, "wrong", "the extracted answer is not the reference")
NO_ANSWER = Score(0.0, "no_answer", "the pattern finds no answer in the response")


class ExpectedAnswerConfig(EvaluatorConfig):
    """Where the answer is in the response, and when it equals the reference."""

    pattern: str = Field(max_length=1_000)
    """A regular expression with one group, or with one that is named `answer`."""
    take: Literal["first", "last"] = "last"
    case_sensitive: bool = False
    tolerance: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """How far two numbers may lie apart; without it answers are compared as text."""

    @field_validator("pattern")
    @classmethod
    def _is_usable(cls, pattern: str) -> str:
        readable_characters(pattern)
        compiled = re.compile(pattern)
        if compiled.groups != 1 and "answer" not in compiled.groupindex:
            raise ValueError("it needs exactly one group, or one named (?P<answer>...)")
        return pattern


class ExpectedAnswer:
    """1.0 = the extracted answer is the reference; 0.0 = another one, or none ("no_answer")."""

    name: ClassVar[str] = "expected_answer"
    revision: ClassVar[str] = "1"
    unit: ClassVar[str | None] = None
    tier: ClassVar[Tier] = "cheap"
    reads_contract: ClassVar[bool] = False
    Config: ClassVar[type[BaseModel]] = ExpectedAnswerConfig

    def __init__(self, config: ExpectedAnswerConfig, _task: Task) -> None:
        self._config = config
        self._pattern = re.compile(
            config.pattern, re.NOFLAG if config.case_sensitive else re.IGNORECASE
        )
        self._group = "answer" if "answer" in self._pattern.groupindex else 1
        self._characters = readable_characters(config.pattern)

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
        return [
            None
            if s.response is None or s.reference is None
            else self._judge(s.response, s.reference)
            for s in samples
        ]

    def _judge(self, response: str, reference: str) -> Score:
        answer = self._extract(response)
        if answer is None:
            return NO_ANSWER
        return CORRECT if self._equal(answer.strip(), reference.strip()) else WRONG

    def _extract(self, response: str) -> str | None:
        first = self._config.take == "first"
        text = response[: self._characters] if first else response[-self._characters :]
        answer = None
        for match in self._pattern.finditer(text):
            # A group that took no part in the match found nothing.
            if match[self._group] is not None:
                answer = match[self._group]
                if first:
                    break
        return answer

    def _equal(self, answer: str, reference: str) -> bool:
        if self._config.tolerance is not None:
            apart = _distance(answer, reference)
            if apart is not None:
                return apart <= self._config.tolerance
        if self._config.case_sensitive:
            return answer == reference
        return answer.casefold() == reference.casefold()


def _distance(left: str, right: str) -> float | None:
    """How far two numbers lie apart; None where one of them is no finite number.

    >>> _distance("1,200.5", "1200"), _distance("twelve", "12")
    (0.5, None)
    """
    try:
        apart = abs(float(left.replace(",", "")) - float(right.replace(",", "")))
    except ValueError:
        return None
    return apart if math.isfinite(apart) else None
