"""What a reading of the slow-leak detector means for an SLO, in a sentence with numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from service.domain.corrections import Correction
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.domain.slow_leaks import LeakPolicy, LeakReading
from service.domain.spelling import percent

_HOUR_S = 3600
_SEEN = 0.0005
"""A smaller difference of two ratios is not worth a word."""


def hour_number(instant: datetime) -> int:
    """The hour that this instant is in, counted from the epoch."""
    return int(instant.timestamp()) // _HOUR_S


def hour_start(number: int) -> datetime:
    """When the hour of this number begins."""
    return datetime.fromtimestamp(number * _HOUR_S, UTC)


def complete_until(now: datetime, lateness: timedelta) -> datetime:
    """The end of the newest hour that is over, with what comes late by no more than that."""
    return hour_start(hour_number(now - lateness))


def corrected_hours(slo: Slo, corrections: Iterable[Correction]) -> set[int]:
    """The hours that a correction in force touches: evidence knows no minutes."""
    return {
        hour
        for correction in corrections
        if correction.revoked_at is None and correction.concerns(slo)
        for hour in range(
            hour_number(correction.minutes[0]),
            hour_number(correction.minutes[1] - timedelta(minutes=1)) + 1,
        )
    }


@dataclass(frozen=True, slots=True)
class LeakVerdict:
    """`status` is what we know now; `alerting` stays as it was while that is unknown."""

    status: Literal["firing", "healthy", "unknown"]
    alerting: bool
    sentence: str


def judge_leak(
    slo: Slo, reading: LeakReading, policy: LeakPolicy, *, was_alerting: bool, recovered: bool
) -> LeakVerdict:
    """An alert begins where the evidence and what was lost suffice, and ends where it is certain
    that it is over.

    The evidence may melt sooner than that: an alert does not end for want of evidence, nor by
    silence. `recovered`: see `has_recovered`.
    """
    if was_alerting and recovered:
        return LeakVerdict("healthy", False, "the budget lasts again by the calls of the last day")
    if not reading.recent_n:
        frozen = "; the ticket stays open until there is one" if was_alerting else ""
        unseen = f"no {slo.indicator.counted} in the last day{frozen}"
        return LeakVerdict("unknown", was_alerting, unseen)
    spent = reading.spent(slo.objective, slo.window)
    if was_alerting or (reading.is_enough and spent >= policy.least_spent):
        return LeakVerdict("firing", True, _describe(slo, reading))
    if reading.is_enough:
        so_far = f"{percent(spent)} of the budget so far, a ticket takes {policy.least_spent:.0%}"
        return LeakVerdict("healthy", False, f"{_describe(slo, reading)}; {so_far}")
    if not reading.hours_seen:
        return LeakVerdict("unknown", False, _warming_up(policy))
    return LeakVerdict(
        "healthy",
        False,
        f"no sign of a slow leak: evidence {reading.e_value:.2g} of the "
        f"{reading.threshold:.2g} that an alarm takes, by {reading.hours_seen} hours with calls",
    )


def _warming_up(policy: LeakPolicy) -> str:
    days = timedelta(hours=policy.weights_from).days
    return (
        f"warming up: an hour is judged once the {days} days before it hold "
        f"{policy.known_from} good calls"
    )


def _describe(slo: Slo, reading: LeakReading) -> str:
    evidence = (
        f"evidence {reading.e_value:.2g}, an alarm takes {reading.threshold:.2g}; "
        f"the objective is {percent(slo.objective)}"
    )
    if reading.onset is None:
        return f"a slow leak was found, and it is not certain yet that it is over: {evidence}"
    since, tally = hour_start(reading.onset), reading.since
    lasts = timedelta(hours=reading.end - reading.onset)
    ratio, interval = tally.bad_ratio or 0.0, reading.interval
    by_weight = " by weight" if abs(ratio - tally.bad_n / tally.n) > _SEEN else ""
    return (
        f"a slow leak, most likely since {since:%Y-%m-%d %H:%M} UTC ({_spell(lasts)}): "
        f"{count_bad(slo, tally)}, {percent(ratio)}{by_weight} "
        f"({percent(interval.lower)} to {percent(interval.upper)}), "
        f"{ratio / (1 - slo.objective):.2f} times the sustainable rate; {evidence}"
    )


def count_bad(slo: Slo, tally: Tally) -> str:
    """How many were bad, of how many.

    For an SLO on a mean, whose calls are all somewhat bad, what was lost of their worth.
    """
    indicator = slo.indicator
    if indicator.kind == "mean":
        lost = tally.n * (tally.bad_ratio or 0.0)
        return f"by {indicator.evaluator} {lost:,.1f} of {tally.n:,} scored answers' worth was lost"
    return f"{tally.bad_n:,} of {tally.n:,} {indicator.bad}"


def _spell(length: timedelta) -> str:
    hours = round(length / timedelta(hours=1))
    return f"{hours} hours" if hours < 48 else f"{hours / 24:.1f} days"
