from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Sample, Score, Task, fault_in
from evaluators.expected_answer import ExpectedAnswer
from evaluators.registry import InvalidConfig, load
from evaluators.testing import check_evaluator

YES_NO = {"pattern": r"\[(yes|no)\]"}


def _score(response: str | None, reference: str | None, **config: Any) -> Score | None:
    built = load().build("expected_answer", {**YES_NO, **config}, Task("answer"))
    (score,) = built.evaluator.score_batch([Sample("", response, reference)])
    return score


@pytest.mark.parametrize(
    ("response", "reference", "config", "label"),
    [
        ("It is prime: [Yes]", "yes", {}, "correct"),
        ("It is prime: [Yes]", "No", {}, "wrong"),
        ("[No] ... no divisor, so [Yes]", "yes", {}, "correct"),
        ("[No] ... no divisor, so [Yes]", "yes", {"take": "first"}, "wrong"),
        ("I cannot tell.", "yes", {}, "no_answer"),
        ("", "yes", {}, "no_answer"),
        ("[Yes]", " yes ", {}, "correct"),
        ("[Yes]", "yes", {"case_sensitive": True}, "no_answer"),
        ("[yes]", "Yes", {"case_sensitive": True}, "wrong"),
        ("= 3.14 m", "3.1416", {"pattern": r"= ([\d.,]+)", "tolerance": 0.01}, "correct"),
        ("= 3.1 m", "3.1416", {"pattern": r"= ([\d.,]+)", "tolerance": 0.01}, "wrong"),
        ("= 1,200", "1200.0", {"pattern": r"= ([\d.,]+)", "tolerance": 0}, "correct"),
        ("= 1,200", "1200.0", {"pattern": r"= ([\d.,]+)"}, "wrong"),
        ("= nan", "nan", {"pattern": r"= (\w+)", "tolerance": 1}, "correct"),
        ("= 4", "four", {"pattern": r"= (\w+)", "tolerance": 1}, "wrong"),
        ("So A: 4", "4", {"pattern": r"(so|then) a: (?P<answer>\d)"}, "correct"),
        ("b", "a", {"pattern": "(a)|b"}, "no_answer"),
    ],
)
def test_the_answer_found_by_the_pattern_is_held_against_the_reference(
    response: str, reference: str, config: dict[str, Any], label: str
) -> None:
    score = _score(response, reference, **config)
    assert score is not None
    assert score.label == label
    assert score.value == float(label == "correct")


def test_without_a_reference_or_a_response_it_does_not_apply() -> None:
    assert _score("[Yes]", None) is None
    assert _score(None, "yes") is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[yes|no", "not a regular expression"),
        ("yes|no", "one group"),
        ("(yes) or (no)", "one group"),
        ("((a+)+)b", "repeat within a repeat"),
        ("((?:a|aa)*)b", "alternative within a repeat"),
        (r"(.*.*.*)x", "bound them"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_before_it_meets_an_answer(
    pattern: str, reason: str
) -> None:
    with pytest.raises(InvalidConfig, match=reason) as caught:
        load().build("expected_answer", {"pattern": pattern}, Task("answer"))
    assert caught.value.path == "/config/pattern"


@pytest.mark.timeout(10)
def test_a_flood_of_spaces_costs_a_bounded_time() -> None:
    assert _score(" " * 1_000_000, "4", pattern=r"\s*(\d)x") is not None


def test_the_explanation_does_not_quote_the_answer() -> None:
    score = _score("= Jane-Roe", "x", pattern=r"= (\S{1,20})")
    assert score is not None
    assert "Jane" not in repr(score)


def test_expected_answer_keeps_the_contract() -> None:
    config = {"pattern": r"\[(\w{1,20})\]", "tolerance": 0.1}
    check_evaluator(ExpectedAnswer, config, needs=("response", "reference"))


@given(st.text(), st.text(), st.booleans())
def test_any_text_has_a_score_in_range(response: str, reference: str, numeric: bool) -> None:
    tolerance = 0.5 if numeric else None
    score = _score(f"{response} [{reference}]", reference, pattern=r"\[(.*)\]", tolerance=tolerance)
    assert score is not None
    assert fault_in(score, None) is None


@pytest.mark.parametrize(
    ("model", "accuracy"),
    [
        ("gpt-4-0314", 0.840),
        ("gpt-4-0613", 0.502),
        ("gpt-3.5-turbo-0301", 0.518),
        ("gpt-3.5-turbo-0613", 0.680),
    ],
)
def test_the_accuracy_on_the_prime_questions_is_the_published_one(
    llmdrift_rows: Callable[[str], list[dict[str, str]]], model: str, accuracy: float
) -> None:
    rows = [row for row in llmdrift_rows("PRIME_FULL_EVAL.csv") if row["model"].endswith(model)]
    samples = [Sample(row["query"], row["answer"], row["ref_answer"]) for row in rows]
    built = load().build("expected_answer", YES_NO, Task("answer"))
    scores = [score for score in built.evaluator.score_batch(samples) if score is not None]
    assert len(scores) == 1_000
    assert sum(score.value for score in scores) / 1_000 == pytest.approx(accuracy, abs=0.0005)
