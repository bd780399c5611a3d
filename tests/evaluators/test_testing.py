"""The checker is checked: each way to break the contract is found, and told in a sentence."""

import random
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier
from evaluators.testing import check_evaluator

Scoring = Callable[[Sequence[Sample]], Any]


def _right(samples: Sequence[Sample]) -> Any:
    return [None if s.response is None else Score(1.0 / (1 + len(s.response))) for s in samples]


def _evaluator(score: Scoring = _right, **declared: Any) -> Any:
    class Made:
        name: ClassVar[str] = "made"
        revision: ClassVar[str] = "1"
        unit: ClassVar[str | None] = None
        tier: ClassVar[Tier] = "cheap"
        reads_contract: ClassVar[bool] = False
        Config: ClassVar[type[BaseModel]] = EvaluatorConfig

        def __init__(self, config: BaseModel, task: Task) -> None:
            pass

        def score_batch(self, samples: Sequence[Sample]) -> Any:
            return score(samples)

    for name, value in declared.items():
        setattr(Made, name, value)
    return Made


def _each(score: Callable[[Sample], Any]) -> Scoring:
    return lambda samples: [None if s.response is None else score(s) for s in samples]


def _by_position(samples: Sequence[Sample]) -> Any:
    return [
        None if sample.response is None else Score(index / len(samples))
        for index, sample in enumerate(samples)
    ]


def test_an_evaluator_that_keeps_the_contract_passes() -> None:
    check_evaluator(_evaluator())


@pytest.mark.parametrize(
    ("evaluator", "sentence"),
    [
        (_evaluator(revision=""), "declares no revision"),
        (_evaluator(tier="free"), "tier 'free' is none of"),
        (_evaluator(unit=""), "unit '' is no text"),
        (_evaluator(reads_contract=None), "reads_contract"),
        (_evaluator(Config=dict), "not a pydantic model"),
        (_evaluator(_each(lambda _: Score(2.0))), r"outside \[0, 1\]"),
        (_evaluator(_each(lambda _: Score(-1.0)), unit="ms"), "outside"),
        (_evaluator(_each(lambda _: Score(float("nan")))), "not finite"),
        (_evaluator(_each(lambda _: Score(True))), "is no number"),
        (_evaluator(_each(lambda _: 0.5)), "float is no Score"),
        (_evaluator(_each(lambda s: Score(1.0, explanation=s.response))), "NUL"),
        (_evaluator(_each(lambda s: Score(1.0 / len(s.response)))), "raised ZeroDivisionError"),
        (_evaluator(lambda samples: [Score(1.0) for _ in samples]), "without response"),
        (_evaluator(lambda samples: tuple(_right(samples))), "does not return a list"),
        (_evaluator(lambda samples: _right(samples)[1:]), "each has one, or None"),
        (_evaluator(_by_position), "opposite order"),
        (_evaluator(_each(lambda _: Score(random.random()))), "asked twice"),
    ],
)
def test_a_broken_evaluator_is_told_what_it_breaks(evaluator: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_evaluator(evaluator)


def test_a_needed_field_is_needed() -> None:
    with pytest.raises(AssertionError, match="without reference it does not apply"):
        check_evaluator(_evaluator(), needs=("response", "reference"))


def test_an_evaluator_that_cannot_be_built_is_told_why() -> None:
    with pytest.raises(AssertionError, match="/config/depth: no such setting"):
        check_evaluator(_evaluator(), {"depth": 3})
