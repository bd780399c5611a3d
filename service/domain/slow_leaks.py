"""The sequential rule: the mean fell below its objective, however slowly, at any time.

A leak that spends the budget a little faster than it lasts, on a thin stream, is in no window long
enough to be certain. The e-detector of Shiryaev and Roberts adds evidence up over weeks instead:
R_j <- (1 + R_j) L_j over the hours, M = mean_j R_j, alarm at M >= c = K T / alpha, for K streams
and T hours in which at most alpha false alarms are to be expected. Source: Shin, Ramdas and
Rinaldo, arXiv 2203.03532; statistics.md section 3. The bets are those of `bets`. Beyond that paper:

* Which bets an hour uses is decided by the week before it: the boldest that its largest weight of
  a good call allows, and the five next. An hour with a heavier one is not bet on (that choice rests
  on the hour's own calls, so this step is an approximation; there is one such hour each time the
  sampling gets sparser), nor is any hour until the week has `known_from` good calls.
* No hour wins more than a twelfth of what an alarm needs. That only lowers M, so all bounds hold;
  and a short outage, which is the burn rates' matter, is no slow leak.
* Evidence alone is no ticket: the leak must have spent a tenth of the budget since its onset, as
  the Workbook's slow windows have it. One bad day of an SLO that keeps its month is no leak.
* What has no calls changes nothing.

The bound of false alarms holds where a call's chance to be good is the objective or more, whatever
came before. Where days differ among themselves, or bad calls come in spells, an SLO that spends all
of its budget does fall below its objective for days, and that is told of. Measured on quarters with
100 calls an hour whose days are beta-distributed (a + b = 100): at burn 1 in all of 60, at 0.7 in
11, at 0.5 in none; with spells of six hours in which half of the calls are bad, 3 % of the time: in
9, 1 and 1.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from service.domain.bets import BETS, Evidence
from service.domain.drift.bins import Floats
from service.domain.drift.e_detector import alarm_threshold
from service.domain.slis import Interval, Tally

SLOTS = 6
_SUMS = ("n", "good_n", "good_weight", "w", "w2", "bad_n", "bad_w", "bad_w2")
HOUR = np.dtype(
    [("hour", np.int64), *((name, np.float64) for name in _SUMS), ("terms", np.float64, BETS)]
)
"""An hour of an SLO: its number since the epoch, and the `Evidence` of its calls."""
History = NDArray[np.void]
"""Hours of one SLO, dtype `HOUR`, each at most once, in order."""

_DAY = 24
_SLIGHT = 100.0
"""No onset is looked for in less evidence."""


@dataclass(frozen=True, slots=True)
class LeakPolicy:
    """When to alarm, and when it is over. Hours are hours of event time.

    false_alarms:    to be expected in `horizon` over all SLOs; a quarter has 2190 hours.
    looks_back:      35 days: what leaks so slowly that these do not show it is not told from noise.
    hours_to_alarm:  the fewest that an alarm takes.
    least_spent:     share of the budget of the SLO's window: the Workbook's for tickets, table 5-8.
    weights_from:    how many hours before an hour tell the largest weight to expect in it: a week.
    known_from:      good calls in these, from which on that is known.
    recovers_in:     whether it is over is asked of the last day, three days and week.
    confidence:      one-sided, that it is over.
    """

    false_alarms: float
    horizon: int = 2190
    looks_back: int = 35 * _DAY
    hours_to_alarm: int = 12
    least_spent: float = 0.1
    weights_from: int = 7 * _DAY
    known_from: int = 30
    recovers_in: tuple[int, ...] = (_DAY, 3 * _DAY, 7 * _DAY)
    confidence: float = 0.95

    def threshold(self, streams: int) -> float:
        """The c of each of so many streams."""
        return alarm_threshold(max(streams, 1), self.horizon, self.false_alarms)


def history_of(hours: Sequence[tuple[int, Evidence]]) -> History:
    """Put hours together; the number of an hour is that since the epoch."""
    rows = np.zeros(len(hours), HOUR)
    for row, (hour, evidence) in zip(rows, sorted(hours, key=lambda each: each[0]), strict=True):
        row["hour"] = hour
        row["terms"] = evidence.terms
        for name in _SUMS:
            row[name] = getattr(evidence, name)
    return rows


def without(history: History, hours: Collection[int]) -> History:
    """The history but for hours that count neither for the SLO nor against it."""
    return history[~np.isin(history["hour"], np.fromiter(hours, np.int64, len(hours)))]


@dataclass(frozen=True, slots=True, eq=False)
class Winnings:
    """By hour and slot, the logarithms of what was won; `counted` are the hours that were bet on.

    Of several SLOs they are stacked along the second axis.
    """

    log_factors: Floats
    counted: NDArray[np.bool_]


def settle(history: History, start: int, end: int, policy: LeakPolicy) -> Winnings:
    """What the bets in force won in each hour of [start, end): (hours, slots) and (hours,)."""
    before, hours = policy.weights_from, end - start
    dense = np.zeros(hours + before, HOUR)
    near = history[(history["hour"] >= start - before) & (history["hour"] < end)]
    dense[near["hour"] - (start - before)] = near
    heaviest = _largest_before(dense["good_weight"], before)
    good_n = np.concatenate([[0.0], np.cumsum(dense["good_n"])])
    good_n = (good_n[before:] - good_n[:-before])[:hours]
    boldest = np.ceil(np.log2(np.maximum(heaviest, 1.0)) - 1e-9).astype(np.int64)
    of_hour = dense[before:]
    counted = (
        (of_hour["n"] > 0)
        & (good_n >= policy.known_from)
        & (of_hour["good_weight"] <= 2.0**boldest * (1 + 1e-9))
        & (boldest < BETS)
    )
    bets = np.minimum(boldest[:, None] + np.arange(SLOTS), BETS - 1)
    return Winnings(np.take_along_axis(of_hour["terms"], bets, axis=1), counted)


def _largest_before(values: Floats, length: int) -> Floats:
    """Of every value from number `length` on, the largest of so many values before it."""
    largest, width = values, 1
    while width < length:
        step = min(width, length - width)
        largest = np.maximum(largest[step:], largest[:-step])
        width += step
    return largest[: len(values) - length]


def stack(each: Sequence[Winnings]) -> Winnings:
    """Of many SLOs over the same hours: (hours, SLOs, slots) and (hours, SLOs)."""
    return Winnings(
        np.stack([one.log_factors for one in each], axis=1),
        np.stack([one.counted for one in each], axis=1),
    )


def capped(winnings: Winnings, threshold: float, policy: LeakPolicy) -> Floats:
    """The logarithms, none above its share of what an alarm needs, and 0 where nothing was bet."""
    most = np.log(threshold) / policy.hours_to_alarm
    return np.where(winnings.counted[..., None], np.minimum(winnings.log_factors, most), 0.0)


def accumulate(winnings: Winnings, threshold: float, policy: LeakPolicy) -> Floats:
    """log R_j after every hour: (hours, SLOs, slots); `log_mean` of it is log M."""
    log_factors = capped(winnings, threshold, policy)
    path = np.empty_like(log_factors)
    log_r = np.full(log_factors.shape[1:], -np.inf)
    for hour, log_l in enumerate(log_factors):
        counted = winnings.counted[hour][:, None]
        log_r = np.where(counted, np.logaddexp(0.0, log_r) + log_l, log_r)
        path[hour] = log_r
    return path


def log_mean(logarithms: Floats) -> Floats:
    """The logarithm of the mean over the slots, the last axis."""
    total = np.logaddexp.reduce(logarithms, axis=-1)
    return np.asarray(total - np.log(logarithms.shape[-1]))


def likely_onset(winnings: Winnings, threshold: float, policy: LeakPolicy) -> int | None:
    """Of one SLO, the hour since which the evidence is largest, as an index; None: no evidence."""
    counted = np.flatnonzero(winnings.counted)
    if not len(counted):
        return None
    log_factors = capped(winnings, threshold, policy)
    since = np.cumsum(log_factors[::-1], axis=0)[::-1]
    return int(counted[np.argmax(log_mean(since)[counted])])


def tally_of(history: History, start: int, end: int) -> Tally:
    """The calls of the hours in [start, end); bad is what their values lack of 1."""
    within = history[(history["hour"] >= start) & (history["hour"] < end)]
    n, bad_n = (round(float(within[name].sum())) for name in ("n", "bad_n"))
    w, w2, bad_w, bad_w2 = (float(within[name].sum()) for name in ("w", "w2", "bad_w", "bad_w2"))
    bad_w, bad_w2 = min(bad_w, w), min(bad_w2, w2)
    return Tally(n, w, w2, w - bad_w, w - bad_w, bad_n, bad_w, bad_w2)


def has_recovered(history: History, end: int, objective: float, policy: LeakPolicy) -> bool:
    """Whether it is certain that the budget lasts again, by the hours up to `end`.

    It is where the upper bound of the bad ratio of the last day, three days or week is within the
    budget, and the ratio of the last day is, too. A day without calls shows nothing.
    """
    allowed = 1 - objective
    last_day = tally_of(history, end - _DAY, end).bad_ratio
    if last_day is None or last_day > allowed:
        return False
    return any(
        tally_of(history, end - hours, end).upper_bound(policy.confidence) <= allowed
        for hours in policy.recovers_in
    )


@dataclass(frozen=True, slots=True)
class LeakReading:
    """What the detector says of one SLO at `end` (an hour's number, exclusive).

    e_value:    M; by chance it reaches c within T hours with probability T / c at most.
    hours_seen: that were bet on since the detector's start.
    onset:      since when the mean has likely been below the objective (an hour's number); None
                while the evidence is slight.
    since:      the calls since then. The onset is where they look worst, so their ratio is rather
                too bad; its interval does not know that.
    recent_n:   calls of the last day.
    """

    end: int
    e_value: float
    threshold: float
    hours_seen: int
    onset: int | None
    since: Tally
    recent_n: int

    @property
    def is_enough(self) -> bool:
        """Whether the evidence suffices for an alarm."""
        return self.e_value >= self.threshold

    def spent(self, objective: float, window: timedelta) -> float:
        """Share of the window's budget since the onset, at the traffic of since then."""
        if self.onset is None:
            return 0.0
        burn = (self.since.bad_ratio or 0.0) / (1 - objective)
        return burn * (self.end - self.onset) / (window / timedelta(hours=1))

    @property
    def interval(self) -> Interval:
        """Of the bad ratio since the onset, 95 %."""
        return self.since.interval()


def run_detectors(
    histories: Sequence[History],
    starts: Sequence[int],
    *,
    end: int,
    policy: LeakPolicy,
    streams: int | None = None,
) -> list[LeakReading]:
    """Run the detectors of many SLOs over the hours before `end`, each from its own start on.

    starts: hours before which nothing counts: when the last alarm was over; looked at from
        `looks_back` on. streams: that share the false alarms; as many as there are, if not said.
    """
    if not histories:
        return []
    threshold = policy.threshold(len(histories) if streams is None else streams)
    first = end - policy.looks_back
    each = []
    for history, start in zip(histories, starts, strict=True):
        winnings = settle(history, first, end, policy)
        winnings.counted[: max(0, min(start, end) - first)] = False
        each.append(winnings)
    log_m = log_mean(accumulate(stack(each), threshold, policy)[-1])
    # e^690 is the largest that a double holds.
    e_values = np.exp(np.minimum(log_m, 690.0)).tolist()
    readings = []
    for history, winnings, e_value in zip(histories, each, e_values, strict=True):
        index = likely_onset(winnings, threshold, policy) if e_value > _SLIGHT else None
        onset = None if index is None else first + index
        readings.append(
            LeakReading(
                end=end,
                e_value=e_value,
                threshold=threshold,
                hours_seen=int(winnings.counted.sum()),
                onset=onset,
                since=Tally.ZERO if onset is None else tally_of(history, onset, end),
                recent_n=tally_of(history, end - _DAY, end).n,
            )
        )
    return readings
