"""Since when an SLO stands as it does, and when its blindness has lasted long enough to say so.

A quiet night is no blindness: how long a silence may be is for `blindness.find_silence`, which
knows the usual traffic of the hour. What is judged here only counts from there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from service.domain.alert_windows import spell_duration
from service.domain.burn_rate import Status
from service.domain.corrections import Stretch

STALE_AFTER = timedelta(minutes=2)
"""SLOs are evaluated every 15 seconds; eight misses in a row are no accident."""
NEVER_SEEN_PATIENCE = timedelta(days=1)
"""An SLO that is declared before its app is deployed has nothing to expect yet."""
ASK_AGAIN_AFTER = timedelta(days=1)
"""Who resolves the incident of a blindness that lasts is asked again a day after its beginning."""
_WATCH_GAP = timedelta(minutes=5)
"""Who did not look for this long cannot say what went on meanwhile."""
RUNBOOK = "docs/runbooks/long-blindness.md"

BlindCause = Literal["silence", "gaps", "backlog", "stale"]


@dataclass(frozen=True, slots=True)
class Sight:
    """What can be seen of an SLO at a moment; `cause` is None where it can be judged."""

    status: Status
    at: datetime
    cause: BlindCause | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Spell:
    """`since` is of the status, `blind_since` of the blindness: a thin stream is unknown too."""

    status: Status
    since: datetime
    blind_since: datetime | None
    cause: BlindCause | None
    noted_at: datetime

    def lasts(self, now: datetime) -> timedelta:
        """How long it has been blind; zero where it is not."""
        return now - self.blind_since if self.blind_since else timedelta(0)


def is_stale(evaluated_at: datetime | None, now: datetime) -> bool:
    """Whether what an evaluation found cannot be taken for the present any more."""
    return evaluated_at is None or now - evaluated_at > STALE_AFTER


def look(
    status: Status | None,
    verdict: Mapping[str, Any],
    evaluated_at: datetime | None,
    *,
    now: datetime,
) -> Sight:
    """From the stored state of an SLO, if it was ever evaluated."""
    if status is None or evaluated_at is None:
        return Sight("unknown", now, "stale", "it has not been evaluated yet")
    if is_stale(evaluated_at, now):
        at = f"{evaluated_at:%Y-%m-%d %H:%M} UTC"
        return Sight("unknown", now, "stale", f"it has not been evaluated since {at}")
    if status != "unknown":
        return Sight(status, evaluated_at)
    unseen = _find_unseen(verdict.get("tiers", ()))
    if unseen is None:
        return Sight(status, evaluated_at)
    return Sight(status, evaluated_at, unseen["cause"], unseen["reason"])


def _find_unseen(tiers: Any) -> Mapping[str, Any] | None:
    """The fastest tier that is blind.

    A gap of the past is no news: the slow tiers have it in their windows for days after calls came
    again. One that the fastest tier has is of now.
    """
    by_speed = sorted(tiers, key=lambda tier: tier["long_s"])
    for tier in by_speed:
        if tier["status"] == "unknown" and tier["cause"] in ("silence", "backlog"):
            return dict(tier)
    if by_speed and by_speed[0]["status"] == "unknown" and by_speed[0]["cause"] == "gaps":
        return dict(by_speed[0])
    return None


def continue_spell(before: Spell | None, sight: Sight, *, now: datetime) -> Spell:
    """The spell that this sight goes on with, or begins."""
    if before is None:
        return Spell(sight.status, sight.at, sight.at if sight.cause else None, sight.cause, now)
    if sight.cause == "stale" and now - before.noted_at > _WATCH_GAP:
        # Nobody worked here, so nobody evaluated: both begin again now.
        if before.cause == "stale":
            return replace(before, blind_since=None, cause=None, noted_at=now)
        return replace(before, noted_at=now)
    blind_since = (before.blind_since or sight.at) if sight.cause else None
    since = before.since if before.status == sight.status else sight.at
    return Spell(sight.status, since, blind_since, sight.cause, now)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a person looks at first when an SLO is blind; None and 0 where there is nothing."""

    last_call_at: datetime | None = None
    last_score_at: datetime | None = None
    waiting_samples: int = 0
    oldest_waiting_at: datetime | None = None
    set_aside_samples: int = 0


def is_long(
    spell: Spell,
    surroundings: Surroundings,
    *,
    patience: timedelta,
    excluded: Iterable[Stretch],
    now: datetime,
) -> bool:
    """Whether somebody has to be told that nothing can be judged.

    excluded: what does not count since the blindness began; see `corrections`. A planned
        maintenance surprises nobody.
    """
    never_seen = spell.cause == "silence" and surroundings.last_call_at is None
    needed = max(patience, NEVER_SEEN_PATIENCE) if never_seen else patience
    planned = sum((end - start for start, end in excluded), timedelta(0))
    return spell.cause is not None and spell.lasts(now) - planned >= needed


def describe_blindness(
    spell: Spell, sight: Sight, surroundings: Surroundings, *, now: datetime
) -> str:
    """Since when, why, and what to look at."""
    since = spell.blind_since or now
    return (
        f"Nothing can be judged since {_spell(since)} ({spell_duration(spell.lasts(now))}): "
        f"{sight.reason}. {_look_at(sight, surroundings)} See {RUNBOOK}"
    )


def _look_at(sight: Sight, found: Surroundings) -> str:
    if sight.cause == "stale":
        return "Its evaluation fails or hangs: the worker's log says why (slo_not_evaluated)."
    if sight.cause == "backlog":
        oldest = f", the oldest of {_spell(found.oldest_waiting_at)}" * bool(found.waiting_samples)
        aside = f"{found.set_aside_samples} are set aside (watchkeeper jobs list)"
        return f"{found.waiting_samples} samples wait for a worker{oldest}; {aside}."
    seen = (
        "No call has come yet."
        if found.last_call_at is None
        else (
            f"The last call came at {_spell(found.last_call_at)}"
            + (
                f", the last score is of {_spell(found.last_score_at)}."
                if found.last_score_at
                else "."
            )
        )
    )
    return f"{seen} Is the app up, and does its SDK report losses?"


def alarmed_at(spell: Spell, *, now: datetime) -> datetime:
    """When this blindness last gave reason to tell somebody: its beginning, and each day after."""
    since = spell.blind_since or now
    return since + (now - since) // ASK_AGAIN_AFTER * ASK_AGAIN_AFTER


def _spell(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
