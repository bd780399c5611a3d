"""Whether an error budget burns too fast: firing, healthy or unknown, and why, in a sentence.

Source: The Site Reliability Workbook, chapter 5, with confidence bounds and the third answer added
(see docs/decisions).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.domain.alert_windows import ROUNDING, AlertTier, Severity
from service.domain.blindness import (
    STANDARD_POLICY,
    Cause,
    SloPolicy,
    Unseen,
    WindowReading,
    calls_needed,
    find_emptiness,
    find_gap,
    find_silence,
    find_starvation,
)
from service.domain.burn_words import explain_burn
from service.domain.slis import Interval, Tally
from service.domain.slos import Slo

__all__ = [
    "STANDARD_POLICY",
    "Budget",
    "SloPolicy",
    "SloVerdict",
    "Status",
    "TierVerdict",
    "WindowReading",
    "budget",
    "burn_rate",
    "judge_slo",
    "judge_tier",
]

Status = Literal["firing", "healthy", "unknown"]


def burn_rate(bad_ratio: float, objective: float) -> float:
    """How many times faster than sustainable the error budget is spent.

    >>> round(burn_rate(bad_ratio=0.0144, objective=0.999), 1)
    14.4
    """
    return bad_ratio / (1 - objective)


@dataclass(frozen=True, slots=True)
class TierVerdict:
    """Raw burns and bound side by side. `alerting` is frozen while the status is unknown."""

    tier: AlertTier
    status: Status
    alerting: bool
    long_burn: float | None
    long_burn_at_least: float
    short_burn: float | None
    reason: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class SloVerdict:
    """`status` is what we know now; `severity` is the alert: None where it is not firing.

    They differ while we are blind: a firing alert stays firing though the status is unknown.
    """

    status: Status
    severity: Severity | None
    tiers: tuple[TierVerdict, ...]
    sentence: str

    @property
    def deciding(self) -> TierVerdict:
        """The tier that speaks for all.

        Firing: a page before a ticket, then the fastest burn. Unknown: a frozen alert, then what is
        more than a thin stream. Healthy: the tier that saw most.
        """
        return _deciding(self.status, self.tiers)

    @property
    def alerting(self) -> bool:
        return self.severity is not None

    @property
    def alerting_tiers(self) -> frozenset[str]:
        """The keys to store, and to hand to the next judgement as `previous`."""
        return frozenset(verdict.tier.key for verdict in self.tiers if verdict.alerting)


def judge_slo(
    slo: Slo,
    readings: Mapping[timedelta, WindowReading],
    now: datetime,
    policy: SloPolicy = STANDARD_POLICY,
    previous: Collection[str] = (),
) -> SloVerdict:
    """Judge every tier by the readings of `slo.window_lengths`; page absorbs ticket.

    All tiers are one alert, as severe as its most severe tier: a fast burn silences the slower
    tiers, and once it is over they hold the alert open for as long as they still burn.

    `previous`: `alerting_tiers` of the last verdict. Where the SLO no longer has such a tier, those
    of its severity take its place: a new declaration alone neither clears an alert nor thaws it.
    """
    alerting_before = _carry_over(previous, slo)
    tiers = tuple(
        judge_tier(
            slo,
            tier,
            long=readings[tier.long],
            short=readings[tier.short],
            now=now,
            policy=policy,
            was_alerting=tier.key in alerting_before,
        )
        for tier in slo.tiers
    )
    status = _status_of(tiers)
    alerting = {verdict.tier.severity for verdict in tiers if verdict.alerting}
    severity: Severity | None = "page" if "page" in alerting else "ticket" if alerting else None
    return SloVerdict(status, severity, tiers, _sentence(status, severity, tiers))


def _carry_over(previous: Collection[str], slo: Slo) -> set[str]:
    keys = {tier.key for tier in slo.tiers}
    carried = keys & set(previous)
    for lost in set(previous) - keys:
        severity = lost.partition("-")[0]
        carried |= {tier.key for tier in slo.tiers if tier.severity == severity} or keys
    return carried


def _status_of(tiers: Collection[TierVerdict]) -> Status:
    found = {verdict.status for verdict in tiers}
    if "firing" in found:
        return "firing"
    blind = any(v.status == "unknown" and (v.alerting or v.cause != "too_few") for v in tiers)
    # A thin stream cannot feed the fast tiers; the slow ones judge the same calls for them.
    return "unknown" if blind or "healthy" not in found else "healthy"


def _deciding(status: Status, tiers: Collection[TierVerdict]) -> TierVerdict:
    decided = [verdict for verdict in tiers if verdict.status == status]
    if status == "firing":
        return min(decided, key=lambda v: (v.tier.severity != "page", -v.tier.factor))
    if status == "unknown":
        return min(decided, key=lambda v: (not v.alerting, v.cause == "too_few"))
    return max(decided, key=lambda v: v.tier.long)


def _sentence(status: Status, severity: Severity | None, tiers: Collection[TierVerdict]) -> str:
    """The reason of the tier that decided, and what stays open though no tier can see it."""
    deciding = _deciding(status, tiers)
    if severity is None or (status == "firing" and deciding.tier.severity == severity):
        return deciding.reason
    return f"{deciding.reason}; the {severity} stays open until we can see again"


def judge_tier(
    slo: Slo,
    tier: AlertTier,
    *,
    long: WindowReading,
    short: WindowReading,
    now: datetime,
    policy: SloPolicy = STANDARD_POLICY,
    was_alerting: bool = False,
) -> TierVerdict:
    """Fires when both windows burn faster than the factor, and the long one not by chance.

    That is: its lower bound exceeds the factor, too, with `policy.confidence`; or it exceeds 1,
    the burn that the budget allows for, with the far stricter `policy.certainty`. By the first
    alone, 30 % errors among ten calls an hour are paged after 162 minutes at 0.99, by either after
    114, at 0.0025 false pages in 30 days; at 600 calls an hour as soon as by the raw rule
    (`benchmarks/alert_quality.py`).

    Clears when the short window is at or below the factor, and either that is certain (its upper
    bound is, too) or the long window has come down as well: the eight calls of a short window on a
    thin stream often look healthy by chance, and each time would be one more page.
    """
    fires_at = tier.firing_ratio(slo.objective) * ROUNDING
    bound = long.tally.lower_bound(policy.confidence)
    overspends = bound <= fires_at and _surely_overspends(slo, fires_at, long, policy)
    exceeds = bound > fires_at or overspends
    status, unseen = _decide(slo, fires_at, exceeds, tier, long, short, now, policy, was_alerting)
    burns = tuple(_burn(reading.tally.bad_ratio, slo) for reading in (long, short))
    at_least = burn_rate(bound, slo.objective)
    return TierVerdict(
        tier=tier,
        status=status,
        alerting=was_alerting if unseen else status == "firing",
        long_burn=burns[0],
        long_burn_at_least=at_least,
        short_burn=burns[1],
        reason=unseen.reason
        if unseen
        else explain_burn(slo, tier, long.tally, burns, at_least, policy, overspends=overspends),
        cause=unseen.cause if unseen else None,
    )


def _surely_overspends(slo: Slo, fires_at: float, long: WindowReading, policy: SloPolicy) -> bool:
    allowed = (1 - slo.objective) * ROUNDING
    return _ratio(long) > fires_at and long.tally.lower_bound(policy.certainty) > allowed


def _decide(
    slo: Slo,
    fires_at: float,
    exceeds: bool,
    tier: AlertTier,
    long: WindowReading,
    short: WindowReading,
    now: datetime,
    policy: SloPolicy,
    was_alerting: bool,
) -> tuple[Status, Unseen | None]:
    evidence = long.tally.effective_n
    needed = calls_needed(fires_at, 1 - slo.objective, policy)
    # Where even the samples that still wait would be too few, their waiting is not the trouble.
    thin = find_starvation(needed, evidence + long.unscored, tier.long)
    unseen = (
        find_silence(long, slo.indicator.counted, now, policy)
        or (None if was_alerting else thin)
        or find_gap(long, tier.long, policy)
    )
    if unseen:
        return "unknown", unseen
    starved = find_starvation(needed, evidence, tier.long)
    if not was_alerting and not exceeds:
        return ("unknown", starved) if starved else ("healthy", None)
    # From here on the answer hangs on the short window.
    unseen = find_gap(short, tier.short, policy) or find_emptiness(short, tier.short)
    if unseen:
        return "unknown", unseen
    if not was_alerting:
        return ("firing" if _ratio(short) > fires_at else "healthy"), None
    if _has_recovered(fires_at, long, short, policy):
        return "healthy", None
    return ("unknown", starved) if starved else ("firing", None)


def _has_recovered(
    fires_at: float, long: WindowReading, short: WindowReading, policy: SloPolicy
) -> bool:
    if _ratio(short) > fires_at:
        return False
    return short.tally.upper_bound(policy.confidence) <= fires_at or _ratio(long) <= fires_at


def _ratio(reading: WindowReading) -> float:
    return reading.tally.bad_ratio or 0.0


def _burn(bad_ratio: float | None, slo: Slo) -> float | None:
    return None if bad_ratio is None else burn_rate(bad_ratio, slo.objective)


@dataclass(frozen=True, slots=True)
class Budget:
    """Shares of the error budget, 1 = all of it; `spent` above 1 and `remaining` below 0 happen.

    None where nothing was counted. The interval is that of `spent`, 95 % unless asked otherwise.
    """

    spent: float | None
    remaining: float | None
    interval: Interval


def budget(tally_over_window: Tally, objective: float, confidence: float = 0.95) -> Budget:
    """What the SLO's window has spent of its error budget (occurrences).

    >>> round(budget(Tally.from_counts(total=1000, bad=160), objective=0.80).spent, 3)
    0.8
    """
    lower, upper = (burn_rate(end, objective) for end in tally_over_window.interval(confidence))
    spent = tally_over_window.bad_ratio
    if spent is None:
        return Budget(None, None, Interval(lower, upper))
    spent = burn_rate(spent, objective)
    return Budget(spent, 1 - spent, Interval(lower, upper))
