"""The error budget policy: at how little budget left which consequence comes, and when it goes.

Source: The Site Reliability Workbook, appendix B, "Example Error Budget Policy".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.domain.notifications import Message
from service.domain.slis import Interval
from service.domain.slos import Consequence, Slo
from service.domain.spelling import percent

HYSTERESIS = 0.02
"""A consequence ends when this much more of the budget remains than it came at: a budget that
stands just there would come and go with every call."""
WIDEST_INTERVAL = 1.0
"""An interval of the spent share that is as wide as the budget says nothing about it, as on the
first morning of a calendar's month."""
DEFAULT_FREEZE = Consequence(0.0, "freeze")
"""What holds where a policy declares no freeze: a spent budget closes the gate."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A stretch of time over which a consequence was in force.

    `remaining` is what was left when it began. `period_at` names the budget's period that it began
    in: of a calendar its start, else the first crossing within one window's length.
    """

    consequence: Consequence
    remaining: float
    period_at: datetime
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What an evaluation found: the interval is that of the spent share, 95 %."""

    remaining: float
    interval: Interval

    @property
    def left(self) -> Interval:
        """The interval of what remains."""
        return Interval(1 - self.interval.upper, 1 - self.interval.lower)

    @classmethod
    def of(cls, verdict: Mapping[str, Any]) -> "Spent | None":
        """From a stored verdict; None where nothing was counted."""
        budget = verdict.get("budget", {})
        if budget.get("remaining") is None:
            return None
        return cls(budget["remaining"], Interval(*budget["interval"]))

    @property
    def sentence(self) -> str:
        """What is left, with its interval."""
        return (
            f"{percent(self.remaining)} of the error budget is left "
            f"(95 % interval: {percent(self.left.lower)} to {percent(self.left.upper)})"
        )


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """What to write: crossings that begin, those that are to be told, and those that end."""

    begin: tuple[Crossing, ...] = ()
    tell: tuple[Crossing, ...] = ()
    end: tuple[Crossing, ...] = ()


def consequences_of(slo: Slo) -> tuple[Consequence, ...]:
    """Those of its policy, and the default freeze where it has none."""
    if any(consequence.action == "freeze" for consequence in slo.policy):
        return slo.policy
    return (*slo.policy, DEFAULT_FREEZE)


def judge_policy(
    slo: Slo, spent: Spent | None, crossings: Collection[Crossing], *, now: datetime
) -> PolicyStep:
    """What changes by this reading of the budget.

    Without one, or with one that tells too little, what is in force stays in force.

    crossings: those of the SLO that are in force, and those that ended within its window.
    """
    declared = set(consequences_of(slo))
    gone = [c for c in crossings if c.until is None and c.consequence not in declared]
    begin: list[Crossing] = []
    tell: list[Crossing] = []
    end = list(gone)
    for consequence in sorted(declared, key=lambda each: (each.at_remaining, each.action)):
        past = [c for c in crossings if c.consequence == consequence]
        current = next((c for c in past if c.until is None), None)
        if current is not None and _is_over(slo, current, spent, now):
            end.append(current)
            current = None
        if current is None and spent is not None and _is_crossed(consequence, spent):
            period_at = _period_at(slo, past, now)
            crossing = Crossing(consequence, spent.remaining, period_at, since=now)
            begin.append(crossing)
            if consequence.action == "notify" and all(c.period_at != period_at for c in past):
                tell.append(crossing)
    return PolicyStep(tuple(begin), tuple(tell), tuple(end))


def _is_crossed(consequence: Consequence, spent: Spent) -> bool:
    if spent.left.upper <= consequence.at_remaining:
        return True
    return spent.remaining <= consequence.at_remaining and _tells(spent)


def _is_over(slo: Slo, crossing: Crossing, spent: Spent | None, now: datetime) -> bool:
    if slo.calendar is not None and slo.budget_starts_at(now) > crossing.period_at:
        return True  # the budget that was spent is of a period that has ended
    at = crossing.consequence.at_remaining
    return (
        spent is not None and _tells(spent) and spent.remaining > min(at + HYSTERESIS, (1 + at) / 2)
    )


def _tells(spent: Spent) -> bool:
    return spent.interval.upper - spent.interval.lower <= WIDEST_INTERVAL


def _period_at(slo: Slo, past: Sequence[Crossing], now: datetime) -> datetime:
    if slo.calendar is not None:
        return slo.budget_starts_at(now)
    recent = [c.period_at for c in past if now - c.period_at < slo.window]
    return max(recent, default=now)


def compose_crossing(
    slo: Slo, display_name: str, crossing: Crossing, spent: Spent, *, simulated: bool, at: datetime
) -> Message:
    """What the app's channels are told. Shape: Standard Webhooks (type, timestamp, data)."""
    consequence = crossing.consequence
    key = f"budget-{slo.app}/{slo.name}-{consequence.at_remaining:g}"
    sentence = (
        f"{display_name}: {spent.sentence}; the policy asks to tell at "
        f"{percent(consequence.at_remaining)}"
    )
    data = {
        "title": f"{slo.app}: {percent(max(spent.remaining, 0.0))} of the budget of "
        f"{display_name} is left",
        "app": slo.app,
        "slo": slo.name,
        "environment": slo.indicator.environment,
        "task": slo.indicator.task,
        "simulated": simulated,
        "summary": sentence,
        "remaining": spent.remaining,
        "interval": list(spent.left),
        "at_remaining": consequence.at_remaining,
        "url": f"/slos/{slo.app}/{slo.name}",
    }
    payload = {
        "type": "budget.crossed",
        "timestamp": at.isoformat(),
        "dedup_key": key,
        "data": data,
    }
    return Message(f"{key}-{crossing.period_at.astimezone(UTC):%Y%m%dT%H%M%SZ}", payload)
