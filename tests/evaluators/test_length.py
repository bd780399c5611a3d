from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import EvaluatorConfig, Sample, Score, Task, fault_in
from evaluators.length import Length
from evaluators.testing import check_evaluator

LENGTH = Length(EvaluatorConfig(), Task("answer"))


def test_length_counts_characters_and_not_bytes() -> None:
    samples = [Sample(response="Grüße"), Sample(response=""), Sample(outcome="error")]
    assert LENGTH.score_batch(samples) == [Score(5.0), Score(0.0), None]


def test_length_keeps_the_contract() -> None:
    check_evaluator(Length, samples=[Sample(response="forty-two")])


@given(st.text())
def test_any_text_has_a_length(response: str) -> None:
    (score,) = LENGTH.score_batch([Sample(response=response)])
    assert score is not None
    assert fault_in(score, Length.unit) is None
