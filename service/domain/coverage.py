"""How much of a stretch is counted, and by which version of the evaluator.

A ratio is of the answers that one version scored. What other versions scored, what has no score
yet and what the evaluator failed on is not in it, and is not forgotten either.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.slis import Tally

ENOUGH = 0.9
"""The least share that has to be counted before a stretch is judged: as much as alerts ask for."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Of the evaluator: the one whose scores are counted, and the one that scores now."""

    counted: str | None
    in_force: str | None


def choose_version(in_force: str | None, scored: Mapping[str, int], *, is_over: bool) -> str | None:
    """The version that a week is reported by: never two of them in one number.

    A week that is over keeps the version that scored it, where that was exactly one. `scored`:
    answers of the week by version.

    >>> choose_version("2", {"1": 504}, is_over=True)
    '1'
    >>> choose_version("2", {"1": 504, "2": 8}, is_over=True)
    '2'
    >>> choose_version("2", {"1": 504}, is_over=False)
    '2'
    """
    versions = [version for version, answers in scored.items() if answers]
    return versions[0] if is_over and len(versions) == 1 else in_force


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many answers are counted, and how many are not, by the reason."""

    counted: int
    by_other_versions: int = 0
    awaiting_score: int = 0
    evaluator_failed: int = 0

    @property
    def total(self) -> int:
        """All that were scored, wait for it, or could not be."""
        return self.counted + self.by_other_versions + self.awaiting_score + self.evaluator_failed

    @property
    def share(self) -> float | None:
        """How much of it is counted, 0-1; None where there is nothing.

        >>> Coverage(60, by_other_versions=180).share
        0.25
        """
        return self.counted / self.total if self.total else None

    @property
    def is_enough(self) -> bool:
        """Whether a statement can be made about the whole."""
        return self.share is None or self.share >= ENOUGH


@dataclass(frozen=True, slots=True)
class StretchCounts:
    """What was read of a stretch; of availability every call is counted."""

    tally: Tally
    by_other_versions: int = 0
    awaiting_score: int = 0
    evaluator_failed: int = 0

    @property
    def coverage(self) -> Coverage:
        return Coverage(
            self.tally.n, self.by_other_versions, self.awaiting_score, self.evaluator_failed
        )
