from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from evaluators import registry
from evaluators.contract import EvaluatorConfig, PassRule, Sample, Score, Task, Tier
from evaluators.registry import (
    BrokenEvaluator,
    Entry,
    InvalidConfig,
    Registry,
    UnknownEvaluator,
    load,
)

TASK = Task("answer")
SCHEMA = {"type": "object"}


class Shortness:
    """A third party's evaluator, as an author would write it from the contract's docstring."""

    class Config(EvaluatorConfig):
        at: int = 10

    name: ClassVar[str] = "shortness"
    revision: ClassVar[str] = "3"
    unit: ClassVar[str | None] = None
    tier: ClassVar[Tier] = "cheap"

    def __init__(self, _config: BaseModel, task: Task) -> None:
        if task.name == "unusable":
            raise ValueError("this task has no short answers")

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
        return [Score(1.0) for _ in samples]


def _registry(load_class: Callable[[], Any]) -> Registry:
    return Registry({"shortness": Entry("acme (acme:Shortness)", load_class)})


def _third_party() -> Registry:
    return _registry(lambda: Shortness)


def test_the_five_built_in_evaluators_are_installed() -> None:
    assert {"contract", "expected_answer", "length", "refusal", "repetition"} <= set(load().names)


def test_an_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(UnknownEvaluator, match=r"'refusals'.* refusal,") as caught:
        load().build("refusals", {}, TASK)
    assert "refusal" in caught.value.allowed
    assert caught.value.path == "/name"


def test_a_misspelt_setting_is_answered_with_its_path_and_the_settings_there_are() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load().build("expected_answer", {"pattern": "(a)", "takes": "last"}, TASK)
    assert caught.value.path == "/config/takes"
    assert "pattern, take, case_sensitive, tolerance" in str(caught.value)


def test_every_problem_of_a_configuration_is_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load().build("expected_answer", {"pattern": "(", "tolerance": -1}, TASK)
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"/config/pattern", "/config/tolerance"}


def test_what_an_evaluator_refuses_when_built_is_an_invalid_configuration() -> None:
    with pytest.raises(InvalidConfig, match="no short answers"):
        _third_party().build("shortness", {}, Task("unusable"))


def test_a_plug_in_that_cannot_be_imported_is_reported_by_name_only_when_asked_for() -> None:
    def explode() -> Any:
        raise ImportError("No module named 'torch'")

    entries = {
        "broken": Entry("acme (acme:Broken)", explode),
        "shortness": Entry("acme (acme:Shortness)", lambda: Shortness),
    }
    found = Registry(entries)
    assert found.build("shortness", {}, TASK).name == "shortness"
    with pytest.raises(BrokenEvaluator, match=r"'broken' of acme.*ImportError: No module.*torch"):
        found.build("broken", {}, TASK)


def test_a_plug_in_that_is_no_evaluator_is_reported() -> None:
    with pytest.raises(BrokenEvaluator, match="does not declare name, revision"):
        _registry(lambda: object).build("shortness", {}, TASK)


def test_a_plug_in_under_another_name_than_its_own_is_reported() -> None:
    found = Registry({"brevity": Entry("acme", lambda: Shortness)})
    with pytest.raises(BrokenEvaluator, match="calls itself 'shortness'"):
        found.build("brevity", {}, TASK)


def test_two_packages_with_one_name_take_only_that_name_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = [
        EntryPoint("length", "evaluators.length:Length", registry.GROUP),
        EntryPoint("refusal", "evaluators.refusal:Refusal", registry.GROUP),
        EntryPoint("length", "acme:Length", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    found = load()
    assert found.build("refusal", {}, TASK).name == "refusal"
    with pytest.raises(BrokenEvaluator, match=r"evaluators.length:Length.* and .*acme:Length"):
        found.build("length", {}, TASK)


def test_a_share_passes_from_one_half_on_and_a_measured_quantity_has_no_rule() -> None:
    assert load().build("refusal", {}, TASK).passes == PassRule(at_least=0.5)
    assert load().build("length", {}, TASK).passes is None
    bounds = PassRule(at_most=2000)
    assert load().build("length", {}, TASK, bounds).passes == bounds


def test_a_bound_outside_the_range_of_a_share_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="outside") as caught:
        load().build("refusal", {}, TASK, PassRule(at_least=95))
    assert caught.value.path == "/passes/atLeast"


def test_a_version_is_the_revision_and_a_hash_of_what_the_scores_depend_on() -> None:
    found = _third_party()
    version = found.build("shortness", {}, TASK).version
    assert version.startswith("3-")
    assert len(version) == len("3-") + 8
    assert found.build("shortness", {"at": 10}, TASK).version == version
    assert found.build("shortness", {"at": 11}, TASK).version != version
    assert found.build("shortness", {}, TASK, PassRule(at_least=0.9)).version != version


def test_a_new_contract_is_a_new_version_only_where_the_contract_is_read() -> None:
    for name, changes in (("contract", True), ("refusal", False)):
        before = load().build(name, {}, TASK).version
        after = load().build(name, {}, Task("answer", SCHEMA)).version
        assert (before != after) is changes


def test_a_contract_may_be_read_where_the_plug_in_does_not_say() -> None:
    found = _third_party()
    before = found.build("shortness", {}, TASK).version
    assert found.build("shortness", {}, Task("answer", SCHEMA)).version != before
