"""What was counted for one indicator, minute by minute, and what a judgement would read of it.

As it would have been read at any instant of the past: of minutes after it nothing is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.domain.blindness import WindowReading
from service.domain.indicators import Indicator
from service.domain.pieces import Stretch
from service.domain.slice_budgets import SliceSums, count_slices
from service.domain.slis import Tally
from service.domain.slos import Budgeting
from service.domain.time_slices import cut_window
from service.domain.traffic import WEEK, HourCounts, Lifetime, Slices, Traffic

FIELDS = ("n", "w", "w2", "wx", "wx2", "bad_n", "bad_w", "bad_w2")
"""The sums of a tally, in the order in which they are held."""
LONGEST_SILENCE = timedelta(days=35)
"""A stream without calls for longer is one that never had any."""
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Numbers = NDArray[np.float64]


class MinuteCounts(NamedTuple):
    """Counts of minutes side by side, from `start`, a midnight (UTC), on.

    sizes: calls, or scores.  held: whether anything was counted.  failed: scores that lack a value.
    sums: those of a tally, a row each.
    """

    start: datetime
    sizes: Numbers
    held: NDArray[np.bool_]
    failed: Numbers
    cost_usd: Numbers
    sums: Numbers


@dataclass(frozen=True, slots=True)
class Steps:
    """What is added up over a window: minutes, or time slices; (fields, steps)."""

    start: datetime
    length: timedelta
    sums: Numbers
    is_mean: bool

    def between(self, start: datetime, end: datetime) -> slice:
        """The steps that begin at `start` or later and are over at `end`."""
        first = -(-(start - self.start) // self.length)
        last = (end - self.start) // self.length
        return slice(max(0, first), max(0, last))

    def tally(self, start: datetime, end: datetime) -> Tally:
        """What counts in [start, end)."""
        return to_tally(self.sums[:, self.between(start, end)].sum(axis=1), self.is_mean)


def to_tally(sums: Sequence[Any] | Numbers, is_mean: bool) -> Tally:
    """The tally of these `FIELDS`."""
    named: dict[str, Any] = dict(zip(FIELDS, map(float, sums), strict=True))
    tally = Tally(**named | {name: round(named[name]) for name in ("n", "bad_n")})
    return tally.of_mean() if is_mean else tally


class Stream:
    """One indicator's counts, as an SLO with these excluded stretches reads them."""

    def __init__(
        self,
        counts: MinuteCounts,
        indicator: Indicator,
        budgeting: Budgeting,
        excluded: Sequence[Stretch] = (),
    ) -> None:
        self._counts, self._excluded = counts, excluded
        self._is_freshness = indicator.kind == "freshness"
        kept = np.ones(len(counts.sizes), dtype=bool)
        for start, end in excluded:
            kept[self._index(start) : self._index(end)] = False
        minutes = Steps(counts.start, _MINUTE, counts.sums * kept, indicator.kind == "mean")
        self._minutes, self._failed = minutes, counts.failed * kept
        self.is_sliced = budgeting.slice_length is not None
        self.steps = _slice(counts, indicator, budgeting, excluded) if self.is_sliced else minutes
        hours = counts.sizes.reshape(-1, 60), counts.held.reshape(-1, 60)
        self._hour_sizes = hours[0].sum(axis=1)
        self._hour_bits = (hours[1].astype(np.int64) << np.arange(60)).sum(axis=1)
        self._held = np.flatnonzero(counts.held)
        self._days = np.unique(self._held // (24 * 60))

    @property
    def first_at(self) -> datetime | None:
        """The first minute with anything."""
        return self._instant(self._held[0]) if len(self._held) else None

    def read(self, lengths: Iterable[timedelta], now: datetime) -> dict[timedelta, WindowReading]:
        """Readings of the windows that end at `now`, a whole minute."""
        lengths = sorted(lengths)
        traffic = self._traffic(lengths[-1], now)
        missed = 0.0 if self._is_freshness else traffic.missed(now, self._excluded)
        slices = Slices.of([cut_window(length, now=now) for length in lengths])
        covered = traffic.coverage(slices, self._excluded)
        newest = traffic.newest_at
        windows = {}
        for length, (observed, expected) in zip(lengths, covered, strict=True):
            tally = self.steps.tally(now - length, now)
            windows[length] = WindowReading(
                tally=tally,
                unscored=self._unscored(tally, now - length, now),
                observed_slices=0 if self._is_freshness else observed,
                expected_slices=0 if self._is_freshness else expected,
                newest_at=now if self._is_freshness and newest else newest,
                missed_calls=missed,
            )
        return windows

    def _unscored(self, tally: Tally, start: datetime, end: datetime) -> int:
        minutes = self._minutes.between(start, end)
        failed = round(float(self._failed[minutes].sum()))
        counted = round(float(self._minutes.sums[0, minutes].sum()))
        return round(failed * tally.n / counted) if self.is_sliced and counted else failed

    def _traffic(self, longest: timedelta, now: datetime) -> Traffic:
        """As it is known at `now`."""
        since = (now - WEEK - longest).replace(minute=0, second=0, microsecond=0)
        until = now.replace(minute=0, second=0, microsecond=0) + _HOUR
        hours = slice((since - self._counts.start) // _HOUR, (until - self._counts.start) // _HOUR)
        sizes, bits = self._hour_sizes[hours].copy(), self._hour_bits[hours].copy()
        begun = self._index(now)
        sizes[-1] = self._counts.sizes[begun - now.minute : begun].sum()
        bits[-1] &= (1 << now.minute) - 1
        return Traffic(
            since,
            until,
            HourCounts(range(len(sizes)), sizes.tolist(), bits.tolist()),
            self._lifetime(now),
        )

    def _lifetime(self, now: datetime) -> Lifetime:
        # Days count by when they begin.
        oldest = (now - LONGEST_SILENCE - self._counts.start) // _DAY + 1
        known = self._held[: np.searchsorted(self._held, self._index(now))]
        last = int(known[-1]) // (24 * 60) if len(known) else -1
        days = self._days[(self._days >= oldest) & (self._days <= last)]
        if not len(days):
            return Lifetime(None, None)
        return Lifetime(*(self._instant(int(day) * 24 * 60) for day in (days[0], days[-1])))

    def _index(self, instant: datetime) -> int:
        return max(0, (instant - self._counts.start) // _MINUTE)

    def _instant(self, index: int) -> datetime:
        return self._counts.start + int(index) * _MINUTE


def _slice(
    counts: MinuteCounts,
    indicator: Indicator,
    budgeting: Budgeting,
    excluded: Sequence[Stretch],
) -> Steps:
    """Slices that begin at whole multiples of their length, as `count_slices` counts each."""
    length = budgeting.slice_length
    assert length is not None  # noqa: S101 - only SLOs in time slices come here
    start = -(-(counts.start - _EPOCH) // length) * length + _EPOCH
    skipped, width = (start - counts.start) // _MINUTE, length // _MINUTE
    count = max(0, len(counts.sizes) - skipped) // width
    whole = slice(skipped, skipped + count * width)
    sums = counts.sums[:, whole].reshape(len(FIELDS), count, width).sum(axis=2)
    cost = counts.cost_usd[whole].reshape(count, width).sum(axis=1)
    held = counts.held[whole].reshape(count, width).max(axis=1, initial=False)
    wanted: NDArray[np.bool_] = np.array(held)
    if indicator.kind == "freshness" and held.any():
        # What was silent since the first call was missed.
        wanted[max(0, _first_slice(counts, skipped, width)) :] = True
    for out_start, out_end in excluded:
        wanted[_overlapping(start, length, out_start, out_end)] = False
    worth = np.zeros((len(FIELDS), count))
    is_mean = indicator.kind == "mean"
    for number in np.flatnonzero(wanted):
        at = start + int(number) * length
        one = SliceSums(at, to_tally(sums[:, number], is_mean), float(cost[number]))
        tally = count_slices(indicator, budgeting, [one])
        worth[:, number] = [getattr(tally, name) for name in FIELDS]
    return Steps(start, length, worth, budgeting.method == "ratio_timeslices")


def _first_slice(counts: MinuteCounts, skipped: int, width: int) -> int:
    """The first slice that begins with the first call or later."""
    return -(-(int(np.flatnonzero(counts.held)[0]) - skipped) // width)


def _overlapping(start: datetime, length: timedelta, begin: datetime, end: datetime) -> slice:
    first = (begin - start) // length
    return slice(max(0, first), max(0, -(-(end - start) // length)))


Parts = Sequence[tuple[Stream, float]]
"""Streams with their weights: one, or those that a composite is made of."""
Readings = Mapping[timedelta, WindowReading]
