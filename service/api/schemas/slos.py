"""The JSON of SLOs: ratios 0-1, durations in seconds; `interval` is 95 % throughout."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from service.domain.budget_policy import Crossing, Spent
from service.domain.slis import Interval
from service.flows.inspect_slos import WatchedSlo

SloStatus = Literal["firing", "healthy", "unknown"]


class SliOut(BaseModel):
    """The share of good calls over the SLO's window; null where nothing was counted."""

    good_ratio: float | None
    interval: Interval | None
    n: int
    """What was counted, as rows."""
    effective_n: float
    """How many calls of equal weight it is worth."""


class SloBudgetOut(BaseModel):
    """What is left of the error budget, and what was spent; 1 is all of it."""

    remaining: float | None
    spent: float | None
    interval: Interval | None
    """Of what remains."""


class TierOut(BaseModel):
    """An alert tier; burn rates are null where nothing was counted."""

    severity: Literal["page", "ticket"]
    long_s: float
    short_s: float
    factor: float
    status: SloStatus
    alerting: bool
    long_burn: float | None
    long_burn_at_least: float
    short_burn: float | None
    reason: str


class ConsequenceOut(BaseModel):
    """A consequence of the error budget policy that is in force."""

    action: Literal["notify", "freeze"]
    at_remaining: float
    remaining: float
    """What was left when it began."""
    since: datetime

    @classmethod
    def of(cls, crossing: Crossing) -> "ConsequenceOut":
        """The crossing as JSON."""
        return cls(
            action=crossing.consequence.action,
            at_remaining=crossing.consequence.at_remaining,
            remaining=crossing.remaining,
            since=crossing.since,
        )


class SloOut(BaseModel):
    """An SLO as it stands: what its last evaluation found, if that is recent."""

    name: str
    display_name: str
    app: str
    environment: str
    task: str
    kind: str
    evaluator: str | None
    objective: float
    window_s: float
    status: SloStatus
    since: datetime | None
    """When the status began; null before the first evaluation."""
    severity: Literal["page", "ticket"] | None
    """Of the alert that fires, or that fired when the status became unknown."""
    sentence: str
    evaluated_at: datetime | None
    sli: SliOut
    budget: SloBudgetOut
    tiers: list[TierOut]
    in_force: list[ConsequenceOut]

    @classmethod
    def of(cls, watched: WatchedSlo) -> "SloOut":
        """The SLO as JSON."""
        slo, state, sight = watched.stored.slo, watched.state, watched.sight
        verdict = state.verdict if state else {}
        sentence = state.sentence if state else sight.reason
        return cls(
            name=slo.name,
            display_name=watched.stored.display_name,
            app=slo.app,
            environment=slo.indicator.environment,
            task=slo.indicator.task,
            kind=slo.indicator.kind,
            evaluator=slo.indicator.evaluator,
            objective=slo.objective,
            window_s=slo.window.total_seconds(),
            status=sight.status,
            since=watched.since,
            severity=verdict.get("severity"),
            sentence=sight.reason if sight.cause == "stale" else sentence,
            evaluated_at=state.evaluated_at if state else None,
            sli=_sli(verdict),
            budget=_budget(verdict),
            tiers=[TierOut.model_validate(tier) for tier in verdict.get("tiers", ())],
            in_force=[ConsequenceOut.of(crossing) for crossing in watched.crossings],
        )


def _sli(verdict: dict[str, Any]) -> SliOut:
    attainment = verdict.get("attainment", {})
    good_ratio = attainment.get("good_ratio")
    return SliOut(
        good_ratio=good_ratio,
        interval=None if good_ratio is None else Interval(*attainment["interval"]),
        n=attainment.get("n", 0),
        effective_n=attainment.get("effective_n", 0.0),
    )


def _budget(verdict: dict[str, Any]) -> SloBudgetOut:
    spent = Spent.of(verdict)
    if spent is None:
        return SloBudgetOut(remaining=None, spent=None, interval=None)
    return SloBudgetOut(
        remaining=spent.remaining, spent=verdict["budget"].get("spent"), interval=spent.left
    )


class SloListOut(BaseModel):
    """By name."""

    slos: list[SloOut]
    next_after: str | None
    """Give this as `after` to go on; null at the end."""


class GateOut(BaseModel):
    """Whether an SLO allows a release."""

    app: str
    slo: str
    verdict: Literal["pass", "fail", "unknown"]
    counted_as: Literal["pass", "fail", "unknown"]
    """The verdict, with unknown as `unknown` asks to count it."""
    reasons: list[str]
    """The first one decided."""
    status: SloStatus
    since: datetime | None
    evaluated_at: datetime | None
    budget: SloBudgetOut
    in_force: list[ConsequenceOut]

    @classmethod
    def of(cls, watched: WatchedSlo, unknown: Literal["pass", "fail", "unknown"]) -> "GateOut":
        """The answer as JSON."""
        gate, state = watched.gate, watched.state
        return cls(
            app=watched.stored.slo.app,
            slo=watched.stored.slo.name,
            verdict=gate.verdict,
            counted_as=gate.counted_as(unknown),
            reasons=list(gate.reasons),
            status=gate.status,
            since=gate.since,
            evaluated_at=state.evaluated_at if state else None,
            budget=_budget(state.verdict if state else {}),
            in_force=[ConsequenceOut.of(crossing) for crossing in watched.crossings],
        )
