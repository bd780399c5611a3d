from typing import Any
from uuid import UUID

import pytest

from service.domain.calls import Batch
from service.domain.reported_scores import UNDECLARED, ReportedRule, ScoredCall, join_calls
from service.domain.scores import count_by_slice
from tests.otlp.sent import a_span, an_event, read


def an_evaluation(name: str = "relevance", **result: Any) -> dict[str, Any]:
    named = {f"gen_ai__evaluation__{key}": value for key, value in result.items()}
    return an_event("gen_ai.evaluation.result", gen_ai__evaluation__name=name, **named)


def test_an_evaluation_event_becomes_a_score_of_its_call() -> None:
    event = an_evaluation(score__value=0.8, score__label="relevant", explanation="It answers.")
    batch = read(a_span(events=[event])).batch
    (score,) = batch.scores
    assert (score.evaluator, score.value, score.label) == ("relevance", 0.8, "relevant")
    assert score.explanation == "It answers."
    assert score.sample_id == batch.samples[0].sample_id


@pytest.mark.parametrize(
    ("result", "value", "passed"),
    [
        ({"score__value": 0.5}, 0.5, True),
        ({"score__value": 0.49}, 0.49, False),
        ({"score__value": 1}, 1.0, True),
        ({"score__value": 0.9, "score__label": "fail"}, 0.9, False),
        ({"score__value": 0.1, "score__label": "Not Correct"}, 0.1, False),
        ({"score__value": 4, "score__label": "pass"}, 4.0, True),
        ({"score__value": 4}, 4.0, None),
        ({"score__value": -0.3}, -0.3, None),
        ({"score__label": "passed"}, 1.0, True),
        ({"score__label": "incorrect"}, 0.0, False),
        ({"score__value": 0.7, "score__label": "yes"}, 0.7, True),
    ],
)
def test_a_label_decides_before_the_value(
    result: dict[str, Any], value: float, passed: bool | None
) -> None:
    (score,) = read(a_span(events=[an_evaluation(**result)])).batch.scores
    assert (score.value, UNDECLARED.passes(score)) == (value, passed)


@pytest.mark.parametrize(
    "event",
    [
        an_evaluation(score__label="relevant"),
        an_evaluation(explanation="no score"),
        an_evaluation(score__value="much"),
        an_evaluation(score__value=1e300),
        an_evaluation(name="", score__value=1.0),
        an_event("gen_ai.evaluation.result", gen_ai__evaluation__score__value=1.0),
        an_event("other", gen_ai__evaluation__name="x", gen_ai__evaluation__score__value=1.0),
    ],
)
def test_an_evaluation_without_name_or_number_is_no_score(event: dict[str, Any]) -> None:
    batch = read(a_span(events=[event])).batch
    assert (batch.scores, len(batch.samples)) == ((), 1)


def test_of_two_results_of_one_evaluator_the_last_counts() -> None:
    events = [an_evaluation(score__value=value) for value in (0.1, 0.9)]
    (score,) = read(a_span(events=events)).batch.scores
    assert score.value == 0.9


def calls_of(batch: Batch) -> dict[UUID, ScoredCall]:
    return {
        sample.sample_id: ScoredCall(*(getattr(sample, name) for name in ScoredCall._fields))
        for sample in batch.samples.values()
    }


def test_scores_count_with_the_weight_of_their_sample() -> None:
    events = [
        an_evaluation("a", score__value=0.25),
        an_evaluation("b", score__value=3.0),
        an_evaluation("c", score__value=-2.0, score__label="fail"),
    ]
    batch = read(a_span(events=events, traceState="ot=th:c")).batch
    counted = count_by_slice(join_calls(batch.scores, calls_of(batch), {}))
    tallies = {key.evaluator: counts.tally for key, counts in counted.items()}
    assert tallies.keys() == {"a", "c"}
    assert (tallies["a"].bad_w, tallies["a"].wx) == (4.0, 1.0)
    assert (tallies["c"].bad_w, tallies["c"].wx) == (4.0, 0.0)


def test_scores_of_unknown_samples_are_left_out() -> None:
    (score,) = read(a_span(events=[an_evaluation(score__value=1.0)])).batch.scores
    assert join_calls([score], {}, {}) == []


@pytest.mark.parametrize(
    ("rule", "result", "passed"),
    [
        (ReportedRule(at_most=0.2), {"score__value": 0.1}, True),
        (ReportedRule(at_most=0.2), {"score__value": 0.9}, False),
        (ReportedRule(at_least=3, at_most=5), {"score__value": 4}, True),
        (ReportedRule(at_least=3), {"score__value": 2.9}, False),
        (ReportedRule(at_most=0.2), {"score__value": 0.9, "score__label": "pass"}, True),
    ],
)
def test_a_declared_rule_decides_where_the_label_does_not(
    rule: ReportedRule, result: dict[str, Any], passed: bool
) -> None:
    batch = read(a_span(events=[an_evaluation("toxicity", **result)])).batch
    (score,) = join_calls(batch.scores, calls_of(batch), {("chat", "toxicity"): rule})
    assert (score.passed, score.slice.evaluator_version) == (passed, rule.version)
    assert rule.version != UNDECLARED.version
