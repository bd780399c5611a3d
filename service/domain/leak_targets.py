"""Which scores an SLO's slow-leak detector looks at, and what each of them is worth."""

import hashlib
import json
from dataclasses import asdict, dataclass

from service.domain.scores import NewScore
from service.domain.slos import Slo

_OF_SCORES = frozenset({"quality", "mean"})
_OF_CALLS = frozenset({"availability", "latency"})


def is_target(slo: Slo) -> bool:
    """Whether scores are bet on for it: an SLO on scores whose budget is a share of the scores."""
    return slo.indicator.kind in _OF_SCORES and slo.budgeting.method == "occurrences"


def is_counted(slo: Slo) -> bool:
    """Whether calls are bet on for it, by the counts of all of them."""
    return slo.indicator.kind in _OF_CALLS and slo.budgeting.method == "occurrences"


@dataclass(frozen=True, slots=True)
class Target:
    """An SLO on scores, as the bets see it.

    version: changes with all that they depend on, so that what was won against another objective,
        or on other scores, is never added to this.
    """

    slo_id: int
    slo: Slo

    @property
    def version(self) -> str:
        """Sixteen hexadecimal digits."""
        basis = [asdict(self.slo.indicator), self.slo.objective]
        return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]

    def value_of(self, score: NewScore) -> float | None:
        """What the score is worth to the SLO, 0-1; None where it does not count it."""
        indicator, of = self.slo.indicator, score.slice
        if (of.environment, of.task, of.evaluator) != (
            indicator.environment,
            indicator.task,
            indicator.evaluator,
        ):
            return None
        filters = indicator.filters
        for name in ("release", "model", "prompt_version"):
            if getattr(filters, name) not in (None, getattr(of, name)):
                return None
        return self.worth(score.passed, score.value)

    def worth(self, passed: bool | None, value: float | None) -> float | None:
        """The same of a score that is known to be one of its scores."""
        if passed is None or value is None:
            return None
        return min(1.0, max(0.0, value)) if self.slo.indicator.kind == "mean" else float(passed)
