"""The rules that are compared: the product's, three that people use, one that asks for more
certainty, and two that bound them all.

A rule says at which minutes a page is open. It sees the page tiers only: tickets wake no one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

import numpy as np
from scipy.stats import norm

from benchmarks.alert_streams import MINUTE, Stream, find_gaps, find_silence
from service.domain.alert_replay import Flags, Reached, replay_tier
from service.domain.alert_windows import ROUNDING, AlertTier, Catalogue
from service.domain.blindness import STANDARD_POLICY, SloPolicy

GATE = 30
"""Calls in the long window that the minimum-event gate asks for."""
CONFIDENCE = STANDARD_POLICY.confidence
ONE_BOUND = SloPolicy(certainty=1.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known at each minute of every window, and where the product calls it unseen."""

    reached: Mapping[timedelta, Reached]
    unseen: Mapping[timedelta, Flags]


Rule = Callable[[AlertTier, float, Seen], Flags]


def see(stream: Stream, tiers: Catalogue) -> Seen:
    """Readings of all windows of the tiers."""
    reached, unseen = {}, {}
    silence = find_silence(stream)
    for window in {length for tier in tiers for length in (tier.long, tier.short)}:
        reached[window], pending = stream.within(window)
        backlog = pending > STANDARD_POLICY.max_backlog * (reached[window].total + pending)
        unseen[window] = silence | find_gaps(stream, window) | backlog
    return Seen(reached, unseen)


def product(tier: AlertTier, objective: float, seen: Seen) -> Flags:
    """Watchkeeper's: both windows exceed the factor, the long one not by chance."""
    long, short = seen.reached[tier.long], seen.reached[tier.short]
    unseen = seen.unseen[tier.long] | seen.unseen[tier.short]
    return replay_tier(tier, objective, long, short, unseen=unseen)


def raw(tier: AlertTier, objective: float, seen: Seen) -> Flags:
    """The Workbook's: both windows exceed the factor."""
    fires_at = tier.firing_ratio(objective) * ROUNDING
    long, short = seen.reached[tier.long], seen.reached[tier.short]
    return long.exceeds(fires_at) & short.exceeds(fires_at)


def gated(tier: AlertTier, objective: float, seen: Seen) -> Flags:
    """The raw rule, where the long window has enough calls."""
    return raw(tier, objective, seen) & (seen.reached[tier.long].total >= GATE)


def wilson(tier: AlertTier, objective: float, seen: Seen) -> Flags:
    """The raw rule, where the long window's Wilson bound exceeds the factor, too.

    Source: Wilson, JASA 22 (1927): the bound exceeds r where the score
    (p - r) / sqrt(r (1 - r) / n) exceeds the normal quantile.
    """
    fires_at = tier.firing_ratio(objective) * ROUNDING
    long = seen.reached[tier.long]
    spread = np.sqrt(fires_at * (1 - fires_at) * long.total)
    sure: Flags = long.bad - fires_at * long.total > norm.ppf(CONFIDENCE) * spread
    return raw(tier, objective, seen) & sure


def cautious(tier: AlertTier, objective: float, seen: Seen) -> Flags:
    """The product's without its second way to be sure: only a bound above the factor fires."""
    long, short = seen.reached[tier.long], seen.reached[tier.short]
    unseen = seen.unseen[tier.long] | seen.unseen[tier.short]
    return replay_tier(tier, objective, long, short, policy=ONE_BOUND, unseen=unseen)


def never(tier: AlertTier, _objective: float, seen: Seen) -> Flags:
    """Sleeps."""
    return np.zeros_like(seen.unseen[tier.long])


def always(tier: AlertTier, objective: float, seen: Seen) -> Flags:
    """Fires at every minute, each a page of its own."""
    return ~never(tier, objective, seen)


RULES: dict[str, Rule] = {
    "watchkeeper": product,
    "raw": raw,
    f"gate {GATE}": gated,
    "wilson": wilson,
    "one bound": cautious,
    "always": always,
    "never": never,
}


def page(rule: Rule, tiers: Catalogue, objective: float, seen: Seen) -> Flags:
    """The minutes at which any of the tiers alerts: however many do, it is one page."""
    return reduce(np.logical_or, (rule(tier, objective, seen) for tier in tiers))


def warm_up(tiers: Catalogue) -> int:
    """Minutes until every window is full."""
    return max(tier.long for tier in tiers) // MINUTE
