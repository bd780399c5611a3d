"""What each alert tier of an SLO will do at the app's own traffic: the table shown on `apply`.

Source: The Site Reliability Workbook, chapter 5 (detection time, reset time), with the confidence
bounds that `judge_tier` adds.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy.special import bdtrik, gammaincinv

from service.domain.alert_replay import MinuteCounts, openings, replay_tier
from service.domain.alert_windows import AlertTier, reachable
from service.domain.blindness import SloPolicy, calls_needed

MONTH = timedelta(days=30)
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_SIMULATED_MONTHS = 12
_SEED = 20_150_803


@dataclass(frozen=True, slots=True)
class TierExpectation:
    """What a tier will do, told before it does. None is never.

    firing_ratio:       the bad ratio, 0-1, that its long window must exceed.
    sure_firing_ratio:  the one that the calls of a long window must show for the bound to exceed.
    detects_..._after:  from when every call turns bad, or the bad ratio doubles, to the alert.
    resets_after:       from the end of a total failure that filled the long window to the clearing.
    events_needed:      fewest calls, all of them bad, that fire it.
    alerts_a_month:     false ones: expected in 30 days of the usual traffic and bad ratio.
    alerts_a_month_at_most: its upper 95 % limit, given how long was simulated.
    """

    tier: AlertTier
    firing_ratio: float
    sure_firing_ratio: float | None
    detects_total_failure_after: timedelta | None
    detects_doubling_after: timedelta | None
    resets_after: timedelta | None
    events_needed: int | None
    alerts_a_month: float
    alerts_a_month_at_most: float


def expect_tiers(
    slo_tiers: Iterable[AlertTier],
    objective: float,
    *,
    calls_per_hour: float,
    usual_bad_ratio: float | None = None,
    effective_share: float = 1.0,
    confidence: float = 0.99,
) -> tuple[TierExpectation, ...]:
    """What to expect of reachable tiers on an app with this traffic and usual bad ratio.

    Without a usual bad ratio it is taken to spend its budget exactly. effective_share: effective
    size of the sampled and scored calls / calls, 0-1. Times follow the expected course of the
    counts; alerts a month are counted in a seeded simulation of a year of calls that come and fail
    independently (Poisson): calls that fail in bursts alert more often.
    """
    tiers = tuple(slo_tiers)
    for tier in tiers:
        if not reachable(tier, objective):
            raise ValueError(f"{tier.key} cannot fire at an objective of {objective:g}")
    usual = 1 - objective if usual_bad_ratio is None else usual_bad_ratio
    rate = calls_per_hour * effective_share
    counts = _simulate(rate, usual, max((tier.long for tier in tiers), default=_MINUTE))
    policy = SloPolicy(confidence=confidence)
    return tuple(_expect(tier, objective, rate, usual, policy, counts) for tier in tiers)


def _expect(
    tier: AlertTier,
    objective: float,
    rate: float,
    usual: float,
    policy: SloPolicy,
    counts: MinuteCounts,
) -> TierExpectation:
    fires_at = tier.firing_ratio(objective)
    sure = _sure_firing_ratio(_calls(rate, tier.long), fires_at, 1 - objective, policy)
    alerts = _count_alerts(tier, objective, policy, counts)
    return TierExpectation(
        tier=tier,
        firing_ratio=fires_at,
        sure_firing_ratio=sure,
        detects_total_failure_after=_time_to_reach(sure, tier.long, usual, 1.0),
        detects_doubling_after=_time_to_reach(sure, tier.long, usual, min(1.0, 2 * usual)),
        resets_after=_reset_time(tier, fires_at, rate, usual, policy.confidence),
        events_needed=calls_needed(fires_at, 1 - objective, policy),
        alerts_a_month=alerts / _SIMULATED_MONTHS,
        # The Poisson mean under which so few alerts have a probability of 5 %.
        alerts_a_month_at_most=float(gammaincinv(alerts + 1, 0.95)) / _SIMULATED_MONTHS,
    )


def _calls(rate: float, window: timedelta) -> int:
    return math.floor(rate * (window / _HOUR) + 1e-9)


def sure_ratio(calls: int, ratio: float, confidence: float = 0.99) -> float | None:
    """The bad ratio that so many calls must show for its lower bound to exceed `ratio`.

    >>> sure_ratio(10, 0.144), sure_ratio(2, 0.144)
    (0.5, None)
    """
    if not calls:
        return None
    bad = math.ceil(float(bdtrik(confidence, calls, ratio))) + 1
    return bad / calls if bad <= calls else None


def _sure_firing_ratio(
    calls: int, fires_at: float, budget: float, policy: SloPolicy
) -> float | None:
    """By either bound of `judge_tier`."""
    over_factor = sure_ratio(calls, fires_at, policy.confidence)
    over_one = sure_ratio(calls, budget, policy.certainty)
    ways = (over_factor, None if over_one is None else max(over_one, fires_at))
    return min((way for way in ways if way is not None), default=None)


def _surely_within_ratio(calls: int, ratio: float, confidence: float) -> float | None:
    """The bad ratio that so many calls may show for its upper bound to be at most `ratio`."""
    if (1 - ratio) ** calls > 1 - confidence:
        return None
    return math.floor(float(bdtrik(1 - confidence, calls, ratio))) / calls


def _reset_time(
    tier: AlertTier, fires_at: float, rate: float, usual: float, confidence: float
) -> timedelta | None:
    """By the short window where its calls make it certain, else once the long one is down, too."""
    within = _surely_within_ratio(_calls(rate, tier.short), fires_at, confidence)
    ways = (
        _time_to_reach(within, tier.short, 1.0, usual),
        _time_to_reach(fires_at, tier.long, 1.0, usual),
    )
    return min((way for way in ways if way is not None), default=None)


def _time_to_reach(
    ratio: float | None, window: timedelta, before: float, after: float
) -> timedelta | None:
    """When the ratio over a sliding window gets there, if calls change at once and stay so."""
    if ratio is None or before == after:
        return None
    moved = (ratio - before) / (after - before)
    return max(0.0, moved) * window if moved < 1 else None


def _simulate(rate: float, bad_ratio: float, warm_up: timedelta) -> MinuteCounts:
    """Calls by minute over the simulated months, and before them until every window is full."""
    minutes = (_SIMULATED_MONTHS * MONTH + warm_up) // _MINUTE
    chance = np.random.default_rng(_SEED)
    bad = chance.poisson(rate / 60 * bad_ratio, minutes)
    return MinuteCounts.of(bad + chance.poisson(rate / 60 * (1 - bad_ratio), minutes), bad)


def _count_alerts(
    tier: AlertTier, objective: float, policy: SloPolicy, counts: MinuteCounts
) -> int:
    long, short = counts.within(tier.long), counts.within(tier.short)
    alerting = replay_tier(tier, objective, long, short, policy=policy)
    counted = _SIMULATED_MONTHS * MONTH // _MINUTE
    return int(np.count_nonzero(openings(alerting)[-counted:]))
