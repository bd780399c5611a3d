"""Scores of samples, and the counts that they add to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from service.domain.slis import Tally

EVALUATOR_ERROR = "evaluator_error"
"""The label of a score that could not be given because its evaluator raised."""


class SliSlice(NamedTuple):
    """What scores are counted by, beside their app; ordered, so that writers lock in one order."""

    minute: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    evaluator: str
    evaluator_version: str


class Stream(NamedTuple):
    """The scores of one evaluator version on one task: what a drift test watches."""

    app_id: int
    environment: str
    task: str
    evaluator: str
    evaluator_version: str


@dataclass(frozen=True, slots=True)
class NewScore:
    """One evaluator's answer on one sample; `value` is None where the evaluator failed.

    `passed` is None where no pass rule applies: such a score is kept, and watched for drift, but
    no quality SLI counts it. `weight` is 1 / (keep probability x scoring probability).
    """

    sample_id: UUID
    called_at: datetime
    slice: SliSlice
    value: float | None
    passed: bool | None
    label: str
    explanation: str
    weight: float


@dataclass(frozen=True, slots=True)
class ReportedScore:
    """A score that the app itself gives to one of its calls, as its own evaluation found it."""

    sample_id: UUID
    evaluator: str
    value: float
    label: str
    explanation: str


@dataclass(frozen=True, slots=True)
class SliCounts:
    """What a slice holds: its scores, and how many samples its evaluator failed on."""

    tally: Tally = Tally.ZERO
    failed_n: int = 0

    def __add__(self, other: "SliCounts") -> "SliCounts":
        """Counts of the same slice add up."""
        return SliCounts(self.tally + other.tally, self.failed_n + other.failed_n)


def count_by_slice(scores: Iterable[NewScore]) -> dict[SliSlice, SliCounts]:
    """What these scores add to the SLI counts of their minutes."""
    counts: dict[SliSlice, SliCounts] = {}
    for score in scores:
        if score.value is None:
            one = SliCounts(failed_n=1)
        elif score.passed is not None:
            one = SliCounts(Tally.from_score(score.value, score.weight, bad=not score.passed))
        else:
            continue
        counts[score.slice] = counts.get(score.slice, SliCounts()) + one
    return counts
