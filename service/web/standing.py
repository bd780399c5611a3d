"""How an SLO stands, as its last evaluation stored it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from service.domain.burn_rate import Status
from service.domain.slis import Interval
from service.domain.spells import is_stale
from service.store.slos import SloState, StoredSlo

Freshness = Literal["fresh", "stale", "never"]


def judge_freshness(evaluated_at: datetime | None, now: datetime) -> Freshness:
    """Whether what an evaluation found can be taken for the present."""
    if evaluated_at is None:
        return "never"
    return "stale" if is_stale(evaluated_at, now) else "fresh"


@dataclass(frozen=True, slots=True)
class BudgetBar:
    """What is left of a budget, as lengths of a bar of 100; 0 where all of it is spent."""

    left: float
    at_least: float
    at_most: float

    @classmethod
    def of(cls, remaining: float, spent: Interval) -> "BudgetBar":
        """`spent` is the interval of the spent share."""
        left, least, most = (
            round(100 * min(1.0, max(0.0, share)), 1)
            for share in (remaining, 1 - spent.upper, 1 - spent.lower)
        )
        return cls(left, least, most)


@dataclass(frozen=True, slots=True)
class Standing:
    """Over the SLO's own window. Without a fresh evaluation the status is unknown, not healthy."""

    stored: StoredSlo
    status: Status
    sentence: str
    freshness: Freshness
    evaluated_at: datetime | None
    good_ratio: float | None
    interval: Interval | None
    n: int
    spent: float | None
    remaining: float | None
    spent_interval: Interval | None
    bar: BudgetBar | None
    tiers: tuple[Mapping[str, Any], ...]

    @property
    def left_interval(self) -> Interval | None:
        """Of what remains of the budget."""
        spent = self.spent_interval
        return Interval(1 - spent.upper, 1 - spent.lower) if spent else None

    @classmethod
    def of(cls, stored: StoredSlo, state: SloState | None, now: datetime) -> "Standing":
        """From the stored state, if there is one."""
        freshness = judge_freshness(state.evaluated_at if state else None, now)
        verdict = state.verdict if state else {}
        attainment, budget = verdict.get("attainment", {}), verdict.get("budget", {})
        remaining = budget.get("remaining")
        spent_interval = Interval(*budget["interval"]) if remaining is not None else None
        good_ratio = attainment.get("good_ratio")
        return cls(
            stored=stored,
            status=_status(state, freshness),
            sentence=state.sentence if state else "not evaluated yet",
            freshness=freshness,
            evaluated_at=state.evaluated_at if state else None,
            good_ratio=good_ratio,
            interval=Interval(*attainment["interval"]) if good_ratio is not None else None,
            n=attainment.get("n", 0),
            spent=budget.get("spent"),
            remaining=remaining,
            spent_interval=spent_interval,
            bar=BudgetBar.of(remaining, spent_interval) if spent_interval else None,
            tiers=tuple(verdict.get("tiers", ())),
        )


def _status(state: SloState | None, freshness: Freshness) -> Status:
    if state is None or freshness != "fresh":
        return "unknown"
    return cast(Status, state.status)  # a check constraint holds it to the three
