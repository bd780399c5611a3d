"""The alert rule over a whole stretch of time at once: for simulations, where minutes are millions.

`replay_tier` says of every instant what `judge_tier` would say, one instant after the other; a test
compares the two on random streams.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from service.domain.alert_windows import ROUNDING, AlertTier
from service.domain.blindness import STANDARD_POLICY, SloPolicy

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Reached:
    """Calls, and the bad ones among them, in the window that ends at each instant."""

    total: Counts
    bad: Counts

    def exceeds(self, ratio: float) -> Flags:
        """Whether the bad ratio is higher; False where there is no call."""
        return self.bad > ratio * self.total

    def surely_exceeds(self, ratio: float, confidence: float) -> Flags:
        """Whether the one-sided Clopper-Pearson lower bound is higher.

        The bound exceeds the ratio where a binomial with that ratio would have as many bad calls
        with a probability under 1 - confidence: one beta function, no inverse.
        """
        chance = betainc(np.maximum(self.bad, 1), self.total - self.bad + 1, ratio)
        sure: Flags = (self.bad > 0) & (chance < 1 - confidence)
        return sure

    def surely_within(self, ratio: float, confidence: float) -> Flags:
        """Whether the one-sided Clopper-Pearson upper bound is at most the ratio."""
        good = self.total - self.bad
        chance = betainc(self.bad + 1, np.maximum(good, 1), ratio)
        sure: Flags = (good > 0) & (chance >= confidence)
        return sure

    def at(self, where: Flags) -> Self:
        """Those of some instants."""
        return type(self)(self.total[where], self.bad[where])


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """Running sums of calls by minute, from 0; the last axis is time, others are repetitions."""

    total: Counts
    bad: Counts

    @classmethod
    def of(cls, total: Counts, bad: Counts) -> "MinuteCounts":
        """From the calls of each minute and the bad ones among them."""
        return cls(_running_sum(total), _running_sum(bad))

    def within(self, window: timedelta) -> Reached:
        """The window that ends with each minute; shorter at the start, where nothing was before.

        >>> counts = MinuteCounts.of(np.array([4, 4, 4]), np.array([1, 0, 2]))
        >>> counts.within(timedelta(minutes=2)).bad.tolist()
        [1, 1, 2]
        """
        return Reached(_sliding(self.total, window), _sliding(self.bad, window))


def _running_sum(counts: Counts) -> Counts:
    sums = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1), dtype=np.int64)
    np.cumsum(counts, axis=-1, out=sums[..., 1:])
    return sums


def _sliding(sums: Counts, window: timedelta) -> Counts:
    minutes = window // _MINUTE
    within = sums[..., 1:].copy()
    within[..., minutes:] -= sums[..., 1:-minutes]
    return within


def replay_tier(
    tier: AlertTier,
    objective: float,
    long: Reached,
    short: Reached,
    *,
    policy: SloPolicy = STANDARD_POLICY,
    unseen: Flags | None = None,
) -> Flags:
    """Whether the tier alerts at each instant (last axis), if it did not before the first one.

    Counts are those of equally weighted calls. `unseen`: silence, a gap or a backlog, in whichever
    window; there the alert is frozen, as it is where the short window is empty.
    """
    fires_at = tier.firing_ratio(objective) * ROUNDING
    fires = long.exceeds(fires_at) & short.exceeds(fires_at)
    burning, allowed = long.at(fires), (1 - objective) * ROUNDING
    fires[fires] = burning.surely_exceeds(fires_at, policy.confidence) | burning.surely_exceeds(
        allowed, policy.certainty
    )
    clears = find_clearings(fires_at, long, short, policy.confidence)
    if unseen is not None:
        fires, clears = fires & ~unseen, clears & ~unseen
    return latch(fires, clears)


def find_clearings(fires_at: float, long: Reached, short: Reached, confidence: float) -> Flags:
    """Where an alert would clear: the short window is well, and surely so or the long one, too."""
    clears = (short.total > 0) & ~short.exceeds(fires_at)
    in_doubt = clears & long.exceeds(fires_at)
    clears[in_doubt] = short.at(in_doubt).surely_within(fires_at, confidence)
    return clears


def latch(sets: Flags, clears: Flags) -> Flags:
    """On from an instant that sets until one that clears; what comes last decides.

    >>> sets, clears = np.array([False, True, False, False]), np.array([True, False, False, True])
    >>> latch(sets, clears).tolist()
    [False, True, True, False]
    """
    if not sets.any():
        return sets
    instants = np.where(sets | clears, np.arange(sets.shape[-1]), 0)
    latest = np.maximum.accumulate(instants, axis=-1)
    on: Flags = np.take_along_axis(sets, latest, axis=-1)
    return on


def openings(alerting: Flags) -> Flags:
    """The instants at which an alert opens.

    >>> openings(np.array([True, True, False, True])).tolist()
    [True, False, False, True]
    """
    opens = alerting.copy()
    opens[..., 1:] &= ~alerting[..., :-1]
    return opens
