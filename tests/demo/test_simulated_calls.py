"""The simulated app: what it is asked and answers, and how the real evaluators see that."""

from importlib.resources import files
from random import Random

import pytest
import yaml

from evaluators.contract import Sample, Task
from evaluators.registry import load
from service.demo.support_app import (
    AFTER_UPDATE,
    BEFORE_UPDATE,
    Behaviour,
    SimulatedCall,
    SupportApp,
)

NEVER_FAILS = {"error_rate": 0.0}


def calls(behaviour: Behaviour, *, task: str = "answer", n: int = 3000) -> list[SimulatedCall]:
    app = SupportApp(Random(7))
    return [app.call(task, behaviour) for _ in range(n)]  # type: ignore[arg-type]


def share_passed(evaluator: str, made: list[SimulatedCall], task: Task) -> float:
    built = load().build(evaluator, {}, task, None)
    samples = [Sample(prompt=call.prompt, response=call.response) for call in made]
    scores = [score.value for score in built.evaluator.score_batch(samples) if score is not None]
    return sum(value >= 0.5 for value in scores) / len(scores)


def test_the_same_seed_makes_the_same_calls() -> None:
    assert calls(BEFORE_UPDATE, n=50) == calls(BEFORE_UPDATE, n=50)


@pytest.mark.parametrize("refusal_rate", [0.0, 1.0])
def test_the_refusal_evaluator_sees_what_was_simulated(refusal_rate: float) -> None:
    made = calls(Behaviour("m", refusal_rate, **NEVER_FAILS))
    passed = share_passed("refusal", made, Task("answer"))
    assert abs(passed - (1 - refusal_rate)) < 0.01


def test_the_update_makes_most_answers_refusals() -> None:
    passed = [
        share_passed("refusal", calls(behaviour, n=10_000), Task("answer"))
        for behaviour in (BEFORE_UPDATE, AFTER_UPDATE)
    ]
    assert passed == pytest.approx([0.995, 0.4], abs=0.02)


def test_the_update_does_not_make_calls_fail() -> None:
    failed = [
        sum(call.error_type is not None for call in calls(behaviour, n=10_000)) / 10_000
        for behaviour in (BEFORE_UPDATE, AFTER_UPDATE)
    ]
    assert failed == pytest.approx([0.002, 0.002], abs=0.002)


def test_answers_are_as_long_as_answers_are_and_do_not_loop() -> None:
    made = calls(Behaviour("m", refusal_rate=0, **NEVER_FAILS))
    lengths = [len(call.response or "") for call in made]
    assert min(lengths) >= 200
    assert max(lengths) <= 1200
    assert share_passed("repetition", made, Task("answer")) == 1


def test_no_slot_is_left_open() -> None:
    made = calls(AFTER_UPDATE)
    assert not [call for call in made if "{" in call.prompt or "{" in (call.response or "")]


def test_routing_keeps_the_declared_contract_unless_told_otherwise() -> None:
    text = (files("service.demo") / "declarations" / "tasks.yaml").read_text("utf-8")
    documents = {document["metadata"]["name"]: document for document in yaml.safe_load_all(text)}
    task = Task("route", documents["route"]["spec"]["contract"])
    shares = [
        share_passed(
            "contract", calls(Behaviour("m", 0, broken_json_rate=rate), task="route"), task
        )
        for rate in (0.0, 1.0)
    ]
    assert shares == [1, 0]
