"""What an SLO counts: which calls or scores, and what makes one of them bad."""

from dataclasses import dataclass
from typing import Literal

from service.domain.latency import EDGES_MS
from service.domain.signals import KNOWN_KINDS
from service.errors import InvalidInputError

IndicatorKind = Literal[
    "availability", "latency", "quality", "mean", "signals", "cost", "freshness", "composite"
]

OF_SCORES: frozenset[IndicatorKind] = frozenset({"quality", "mean"})
"""Counted from the scores of an evaluator; the others from the counts of all calls."""
OF_SLICES: frozenset[IndicatorKind] = frozenset({"cost", "freshness"})
"""What can be said of a stretch of time only, not of a call."""
WITH_LIMIT: frozenset[IndicatorKind] = frozenset({"latency", "cost"})

_COUNTED: dict[IndicatorKind, str] = {
    "quality": "scored answer",
    "mean": "scored answer",
    "cost": "time slice",
    "freshness": "time slice",
}
_GOOD: dict[IndicatorKind, str] = {
    "availability": "calls of {task} that succeed",
    "latency": "calls of {task} that take at most {limit:g} ms",
    "quality": "answers of {task} that pass {evaluator}",
    "mean": "answers of {task}, as far as {evaluator} finds them good",
    "signals": "calls of {task} that no user answered by {signals}",
    "cost": "time slices in which a call of {task} costs at most {limit:g} USD",
    "freshness": "time slices with calls of {task}",
    "composite": "what its parts count as good: {members}",
}
_BAD: dict[IndicatorKind, str] = {
    "availability": "calls failed",
    "latency": "calls took longer than {limit:g} ms",
    "quality": "scored answers did not pass {evaluator}",
    "mean": "scored answers' worth was lost by the mean of {evaluator}",
    "signals": "calls were answered by {signals}",
    "cost": "time slices cost more than {limit:g} USD a call",
    "freshness": "time slices had no call",
    "composite": "of what its parts count was bad",
}


class InvalidIndicatorError(InvalidInputError):
    """This cannot be an indicator; the message says which part of it cannot be what it is."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which calls of a task are counted; None: whatever it is."""

    release: str | None = None
    model: str | None = None
    prompt_version: str | None = None


EVERYTHING = Filters()


@dataclass(frozen=True, slots=True)
class Member:
    """An SLO of the same app as a part of a composite one, and how much it weighs."""

    slo: str
    weight: float


@dataclass(frozen=True, slots=True)
class Indicator:
    """What is counted, of which task and environment.

    availability:  calls whose outcome is no error.
    latency:       calls that took at most `limit` milliseconds; calls that tell no time are left
                   out.
    quality:       scores of `evaluator` that pass.
    mean:          the mean of the scores of `evaluator`, 0-1; a score of 0.7 is 0.3 bad.
    signals:       calls that no user answered by one of `signals` in a way that speaks against it.
    cost:          time slices in which a call cost at most `limit` US dollars in the mean.
    freshness:     time slices in which there was a call at all.
    composite:     the weighted good ratio of `members`; it has no task.
    """

    kind: IndicatorKind
    task: str
    environment: str
    evaluator: str | None = None
    limit: float | None = None
    signals: tuple[str, ...] = ()
    filters: Filters = EVERYTHING
    members: tuple[Member, ...] = ()

    @property
    def is_of_scores(self) -> bool:
        """Whether scores are counted, not calls."""
        return self.kind in OF_SCORES

    @property
    def counted(self) -> str:
        """What one of it is called."""
        return _COUNTED.get(self.kind, "call")

    @property
    def good(self) -> str:
        """What good ones are, with what narrows them."""
        filters = self.filters
        narrowed = (
            ("release", filters.release),
            ("model", filters.model),
            ("prompt version", filters.prompt_version),
        )
        more = "".join(f", {what} {value}" for what, value in narrowed if value is not None)
        return f"{self._said(_GOOD)} in {self.environment}{more}"

    @property
    def bad(self) -> str:
        """What is said of the bad ones, after their number."""
        return self._said(_BAD)

    def _said(self, words: dict[IndicatorKind, str]) -> str:
        return words[self.kind].format(
            task=self.task,
            limit=self.limit or 0.0,
            evaluator=self.evaluator,
            signals=" or ".join(self.signals),
            members=", ".join(f"{member.slo} ({member.weight:g})" for member in self.members),
        )

    def __post_init__(self) -> None:
        if fault := _fault(self):
            raise InvalidIndicatorError(fault)


def _fault(indicator: Indicator) -> str:
    kind = indicator.kind
    for name, value, is_needed in (
        ("evaluator", indicator.evaluator, indicator.is_of_scores),
        ("limit", indicator.limit, kind in WITH_LIMIT),
        ("signals", indicator.signals or None, kind == "signals"),
        ("members", indicator.members or None, kind == "composite"),
        ("task", indicator.task or None, kind != "composite"),
    ):
        if (value is not None) != is_needed:
            needs = "names its" if is_needed else "has no"
            return f"an indicator of kind {kind} {needs} {name}: found {value!r}"
    if kind == "latency" and indicator.limit not in EDGES_MS:
        near = sorted(EDGES_MS, key=lambda edge: abs(edge - (indicator.limit or 0.0)))[:2]
        return (
            "latency is counted in buckets, so the limit is one of their edges: found "
            f"{indicator.limit:g} ms; next to it are {min(near)} and {max(near)} ms"
        )
    if indicator.limit is not None and not 0 < indicator.limit < float("inf"):
        return f"a limit is above 0: found {indicator.limit!r}"
    unknown = [name for name in indicator.signals if name not in KNOWN_KINDS]
    if unknown:
        return f"signals are some of {', '.join(KNOWN_KINDS)}: found {unknown[0]!r}"
    names = [member.slo for member in indicator.members]
    if len(set(names)) < len(names):
        return "a composite names each part once: found one twice"
    if any(not 0 < member.weight < float("inf") for member in indicator.members):
        return "the weight of a part is above 0"
    return ""
