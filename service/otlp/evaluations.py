"""`gen_ai.evaluation.result`: what an app's own evaluations say of its calls."""

from collections.abc import Iterator
from uuid import UUID

from service.domain.calls import NewSample
from service.domain.reported_scores import verdict_of
from service.domain.scores import ReportedScore
from service.otlp.spans import Attributes, Span
from service.otlp.values import cut_bytes, find_text, number_of

EVALUATION = "gen_ai.evaluation.result"
_EXPLANATION_CHARACTERS = 2_000
_SCORES_OF_ONE_CALL = 64


def read_evaluations(span: Span, sample: NewSample) -> Iterator[ReportedScore]:
    """The scores that a span's events give to its call; of one evaluator the last."""
    scores = {}
    for event in span.events:
        if event.name == EVALUATION:
            score = read_evaluation(event.attributes, sample.sample_id)
            if score is not None:
                scores[score.evaluator] = score
    yield from list(scores.values())[:_SCORES_OF_ONE_CALL]


def read_evaluation(attributes: Attributes, sample_id: UUID) -> ReportedScore | None:
    """One result; None where it names no evaluator, or says neither number nor verdict."""
    evaluator = find_text(("gen_ai.evaluation.name",), attributes)
    label = cut_bytes(find_text(("gen_ai.evaluation.score.label",), attributes) or "")
    value = number_of(attributes.get("gen_ai.evaluation.score.value"))
    verdict = verdict_of(label)
    if value is None and verdict is not None:
        value = float(verdict)
    if evaluator is None or value is None:
        return None
    explanation = find_text(("gen_ai.evaluation.explanation",), attributes) or ""
    return ReportedScore(
        sample_id=sample_id,
        evaluator=cut_bytes(evaluator),
        value=value,
        label=label,
        explanation=explanation[:_EXPLANATION_CHARACTERS],
    )
