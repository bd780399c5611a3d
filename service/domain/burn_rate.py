"""Whether an error budget burns too fast: firing, healthy or unknown, and why, in a sentence.

Source: The Site Reliability Workbook, chapter 5, with confidence bounds and the third answer added
(see docs/decisions).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.domain.alert_windows import ROUNDING, AlertTier, Severity, spell_duration
from service.domain.blindness import (
    STANDARD_POLICY,
    Cause,
    SloPolicy,
    Unseen,
    WindowReading,
    find_emptiness,
    find_gap,
    find_silence,
    find_starvation,
)
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


def _sentence(status: Status, severity: Severity | None, tiers: Collection[TierVerdict]) -> str:
    """The reason of the tier that decided: for healthy, of the one that saw most."""
    deciding = [verdict for verdict in tiers if verdict.status == status]
    if status == "firing":
        deciding.sort(key=lambda verdict: verdict.tier.severity != "page")
        return deciding[0].reason
    if status == "unknown":
        deciding.sort(key=lambda verdict: (not verdict.alerting, verdict.cause == "too_few"))
        frozen = f"; the {severity} stays open until we can see again" if severity else ""
        return deciding[0].reason + frozen
    return max(deciding, key=lambda verdict: verdict.tier.long).reason


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
    """Fires when both windows burn faster than the factor, and the long one's lower bound does.

    Clears when the short window is at or below the factor, and either that is certain (its upper
    bound is, too) or the long window has come down as well: the eight calls of a short window on a
    thin stream often look healthy by chance, and each time would be one more page.
    """
    fires_at = tier.firing_ratio(slo.objective) * ROUNDING
    bound = long.tally.lower_bound(policy.confidence)
    exceeds = bound > fires_at
    status, unseen = _decide(
        fires_at, exceeds, slo.indicator.counted, tier, long, short, now, policy, was_alerting
    )
    burns = tuple(_burn(reading.tally.bad_ratio, slo) for reading in (long, short))
    at_least = burn_rate(bound, slo.objective)
    return TierVerdict(
        tier=tier,
        status=status,
        alerting=was_alerting if unseen else status == "firing",
        long_burn=burns[0],
        long_burn_at_least=at_least,
        short_burn=burns[1],
        reason=unseen.reason if unseen else _explain(slo, tier, long, short, at_least, policy),
        cause=unseen.cause if unseen else None,
    )


def _decide(
    fires_at: float,
    exceeds: bool,
    counted: str,
    tier: AlertTier,
    long: WindowReading,
    short: WindowReading,
    now: datetime,
    policy: SloPolicy,
    was_alerting: bool,
) -> tuple[Status, Unseen | None]:
    evidence = long.tally.effective_n
    # Where even the samples that still wait would be too few, their waiting is not the trouble.
    thin = find_starvation(fires_at, evidence + long.unscored, tier.long, policy)
    unseen = (
        find_silence(long, counted, now, policy)
        or (None if was_alerting else thin)
        or find_gap(long, tier.long, policy)
    )
    if unseen:
        return "unknown", unseen
    starved = find_starvation(fires_at, evidence, tier.long, policy)
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


def _explain(
    slo: Slo,
    tier: AlertTier,
    long: WindowReading,
    short: WindowReading,
    at_least: float,
    policy: SloPolicy,
) -> str:
    seen = f"{_count(slo, long.tally)} in the last {spell_duration(tier.long)}"
    burn = _burn(long.tally.bad_ratio, slo)
    recent = _burn(short.tally.bad_ratio, slo)
    lately = (
        "" if recent is None else f", {recent:.2f} times in the last {spell_duration(tier.short)}"
    )
    return (
        f"{seen}: {burn:.2f} times the sustainable rate (at least {at_least:.2f} with "
        f"{policy.confidence:.0%} confidence){lately}; the threshold is {tier.factor:g}"
    )


def _count(slo: Slo, tally: Tally) -> str:
    evaluator = slo.indicator.evaluator
    what = f"scored answers did not pass {evaluator}" if evaluator else "calls failed"
    plain = tally.bad_n / tally.n
    ratio = tally.bad_ratio or 0.0
    weighted = f" ({ratio:.1%} by weight)" if abs(ratio - plain) > 0.0005 else ""
    return f"{tally.bad_n} of {tally.n} {what}{weighted}"


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
