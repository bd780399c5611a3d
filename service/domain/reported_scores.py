"""Scores that an app's own evaluations give: what they mean for a quality SLI."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from service.domain.scores import NewScore, ReportedScore, SliSlice

REPORTED = "reported"
PASSES_FROM = 0.5

_PASSING = ("pass", "passed", "correct", "acceptable", "success", "successful", "ok", "good")
_FAILING = ("fail", "failed", "incorrect", "unacceptable", "failure", "unsuccessful", "bad", "poor")
_VERDICTS = dict.fromkeys(_PASSING, True) | dict.fromkeys(_FAILING, False)
# "yes", "true", "relevant", "toxic" are no verdicts: which of them is good depends on the question.


@dataclass(frozen=True, slots=True)
class ReportedRule:
    """When a reported value is good, as the task declares it; no bound: as `passes` has it."""

    at_least: float | None = None
    at_most: float | None = None

    @property
    def version(self) -> str:
        """The evaluator version of scores that are judged by this rule.

        What the app changes in its evaluation it does not tell; what is declared here is known.

        >>> ReportedRule().version, ReportedRule(at_most=0.2).version
        ('reported', 'reported-ccf5e881')
        """
        if self == UNDECLARED:
            return REPORTED
        bounds = f"{self.at_least} {self.at_most}"
        return f"{REPORTED}-{hashlib.sha256(bounds.encode()).hexdigest()[:8]}"

    def passes(self, score: ReportedScore) -> bool | None:
        """Whether the call was good: by the label, else by the bounds, else from 0.5 on.

        Without bounds a value outside of [0, 1] is a measured quantity, and nobody said how much
        of it is good: None.
        """
        verdict = verdict_of(score.label)
        if verdict is not None:
            return verdict
        if self == UNDECLARED:
            return score.value >= PASSES_FROM if 0 <= score.value <= 1 else None
        return (self.at_least is None or score.value >= self.at_least) and (
            self.at_most is None or score.value <= self.at_most
        )


UNDECLARED = ReportedRule()


def is_reported(version: str) -> bool:
    """Whether scores of this evaluator version come from the app."""
    return version.partition("-")[0] == REPORTED


class ScoredCall(NamedTuple):
    """What a score needs to know of the sample that it is about."""

    sample_id: UUID
    called_at: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    keep_probability: float


def verdict_of(label: str) -> bool | None:
    """What the label says of pass and fail, or None.

    >>> verdict_of("Pass"), verdict_of("not_correct"), verdict_of("yes")
    (True, False, None)
    """
    word = label.strip().lower().replace(" ", "_").replace("-", "_")
    if word.startswith("not_"):
        turned = _VERDICTS.get(word.removeprefix("not_"))
        return None if turned is None else not turned
    return _VERDICTS.get(word)


def join_calls(
    reported: Iterable[ReportedScore],
    calls: Mapping[UUID, ScoredCall],
    rules: Mapping[tuple[str, str], ReportedRule],
) -> list[NewScore]:
    """The scores of these calls, the last of each evaluator; those of other calls are left out.

    They count with the weight of their sample: with which probability the app evaluated it is not
    told, so an app that evaluates a part should choose it at random.

    rules: what is declared, by task and evaluator.
    """
    joined = {}
    for score in reported:
        call = calls.get(score.sample_id)
        if call is not None:
            rule = rules.get((call.task, score.evaluator), UNDECLARED)
            joined[score.sample_id, score.evaluator] = _join(score, call, rule)
    return list(joined.values())


def _join(score: ReportedScore, call: ScoredCall, rule: ReportedRule) -> NewScore:
    passed = rule.passes(score)
    # An SLI adds values up, and can add nothing negative.
    value = float(passed) if passed is not None and score.value < 0 else score.value
    return NewScore(
        sample_id=call.sample_id,
        called_at=call.called_at,
        slice=SliSlice(
            minute=call.called_at.replace(second=0, microsecond=0),
            environment=call.environment,
            task=call.task,
            release=call.release,
            model=call.model,
            prompt_version=call.prompt_version,
            evaluator=score.evaluator,
            evaluator_version=rule.version,
        ),
        value=value,
        passed=passed,
        label=score.label,
        explanation=score.explanation,
        weight=1 / call.keep_probability,
    )
