import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import EvaluatorConfig, Sample, Score, Task, fault_in
from evaluators.repetition import Repetition
from evaluators.testing import check_evaluator

REPETITION = Repetition(EvaluatorConfig(), Task("answer"))

PARAGRAPH = (
    "The committee met on Tuesday to discuss next year's budget. Several members had doubts about "
    "the deficit, yet most agreed that schools need more money. Residents asked when work begins. "
)


def _score(response: str) -> Score:
    (score,) = REPETITION.score_batch([Sample(response=response)])
    assert score is not None
    return score


@pytest.mark.parametrize(
    "response",
    [
        "I am here. " * 60,
        PARAGRAPH * 4,
        "ha" * 300,
        "你好" * 200,
        "\n" * 400,
        PARAGRAPH + "no " * 500,
    ],
    ids=["one sentence", "one paragraph", "one word", "no spaces", "blank lines", "at the end"],
)
def test_a_loop_falls_below_one_half(response: str) -> None:
    score = _score(response)
    assert score.value < 0.5
    assert score.label == "loops"


@pytest.mark.parametrize(
    "response",
    [
        PARAGRAPH,
        PARAGRAPH * 2,
        "\n".join(f"| {n} | {n * n} | {n % 7} |" for n in range(60)),
        "".join(f"{n}. Check whether {n} divides 17077. It does not.\n" for n in (2, 3, 5, 7, 11)),
    ],
    ids=["prose", "said twice", "a table", "steps alike"],
)
def test_an_ordinary_answer_stays_above_one_half(response: str) -> None:
    assert _score(response).value >= 0.5


def test_a_short_answer_has_no_room_for_a_loop() -> None:
    assert _score("no " * 30) == Score(1.0, "short")
    assert _score("") == Score(1.0, "short")


def test_the_explanation_tells_figures_and_no_text() -> None:
    explanation = _score("secret " * 100).explanation
    assert re.fullmatch(r"distinct 4-word share 0\.01, novelty 0\.\d\d", explanation)


def test_repetition_keeps_the_contract() -> None:
    check_evaluator(Repetition, samples=[Sample(response=PARAGRAPH)])


@given(st.text(), st.integers(1, 300))
def test_any_text_has_a_score_in_range(response: str, times: int) -> None:
    assert fault_in(_score(response * times), None) is None


def test_real_answers_hardly_ever_loop(
    llmdrift_rows: Callable[[str], list[dict[str, str]]],
) -> None:
    for name in ("PRIME_FULL_EVAL.csv", "SENSITIVEQ_EVAL.csv", "LEETCODE_EASY_EVAL.csv"):
        values = [_score(row["answer"]).value for row in llmdrift_rows(name)]
        assert sum(value < 0.5 for value in values) <= 0.005 * len(values)
