"""When calls were to be expected: what tells a gap, and silence, from a quiet hour.

The usual traffic is that of a week earlier, which knows nights and weekends; for a stream that is
younger than that, its own mean rate since its first call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from service.domain.pieces import Stretch, subtract
from service.domain.time_slices import CALLS_EXPECTED, Slicing

WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_MINUTES_OF_HOUR = np.arange(60, dtype=np.int64)


Minutes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of several windows, in minutes since the end of the newest one's."""

    end: datetime
    begins: Minutes
    ends: Minutes
    windows: NDArray[np.int64]
    """Whose each slice is."""
    count: int

    @classmethod
    def of(cls, slicings: Sequence[Slicing]) -> "Slices":
        """Of windows that end at the same minute."""
        lengths = [slicing.length / _MINUTE for slicing in slicings]
        ends = [
            -length * np.arange(each.count) for length, each in zip(lengths, slicings, strict=True)
        ]
        whose = [np.full(each.count, number) for number, each in enumerate(slicings)]
        steps = np.repeat(lengths, [each.count for each in slicings])
        joined = np.concatenate(ends)
        return cls(slicings[0].end, joined - steps, joined, np.concatenate(whose), len(slicings))

    def shift(self, since: datetime) -> float:
        """What makes their minutes minutes since then."""
        return (self.end - since) / _MINUTE


@dataclass(frozen=True, slots=True)
class HourCounts:
    """The hours of a stream that hold anything, side by side, in any order."""

    numbers: Sequence[int] = ()
    """Of each hour, counted from the first one that is looked at."""
    sizes: Sequence[float] = ()
    minutes_seen: Sequence[int] = ()
    """A bit for each of its minutes that has any."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The first and the last day with calls; None where there is none."""

    first_day: datetime | None
    last_day: datetime | None


class Traffic:
    """What is known of a stream's calls, by hour for the size and by minute for the presence.

    Args:
        since: a whole hour; more than a week before all that is asked.
        until: the end of the last hour.
        hours: those with calls.
        lifetime: by day, also of what was before `since`.
    """

    def __init__(
        self,
        since: datetime,
        until: datetime,
        hours: HourCounts,
        lifetime: Lifetime,
    ) -> None:
        count = (until - since) // _HOUR
        sizes, seen = np.zeros(count), np.zeros(count, dtype=np.int64)
        at = np.array(hours.numbers, dtype=np.int64)
        sizes[at], seen[at] = hours.sizes, hours.minutes_seen
        present = ((seen[:, None] >> _MINUTES_OF_HOUR) & 1).ravel()
        self._since = since
        self._ends = np.arange(count + 1) * 60.0  # minutes since `since`
        self._summed = np.concatenate([[0.0], np.cumsum(sizes)])
        self._present = np.concatenate([[0], np.cumsum(present)])
        minutes = np.flatnonzero(present)
        self.first_at, self.newest_at = _began(lifetime, since), _ended(lifetime)
        if len(minutes):
            self.first_at = self.first_at or since + int(minutes[0]) * _MINUTE
            self.newest_at = since + int(minutes[-1]) * _MINUTE
        self._young_rate = self._rate_while_young()

    def coverage(self, slices: "Slices", excluded: Sequence[Stretch] = ()) -> list[tuple[int, int]]:
        """By window: of its slices that were to hold calls, how many do, and how many they are.

        Nothing is to be expected of a slice that is excluded in part.
        """
        shift = slices.shift(self._since)
        begins, ends = slices.begins + shift, slices.ends + shift
        expected = self._usual(begins, ends) >= CALLS_EXPECTED
        for start, end in excluded:
            expected &= (ends <= self._offset(start)) | (begins >= self._offset(end))
        held = self._present[self._whole(ends)] > self._present[self._whole(begins)]
        counts = (
            np.bincount(slices.windows[chosen], minlength=slices.count).tolist()
            for chosen in (expected & held, expected)
        )
        return list(zip(*counts, strict=True))

    def missed(self, now: datetime, excluded: Sequence[Stretch] = ()) -> float:
        """How many calls were to be expected since the newest one."""
        if self.newest_at is None:
            return 0.0
        left = subtract(self.newest_at + _MINUTE, now, excluded)
        begins = np.array([self._offset(start) for start, _ in left])
        ends = np.array([self._offset(end) for _, end in left])
        return float(self._usual(begins, ends).sum())

    def _usual(self, begins: Minutes, ends: Minutes) -> Minutes:
        if self.first_at is None:
            return np.zeros(len(begins))
        first, week = self._offset(self.first_at), WEEK / _MINUTE
        before = np.interp(np.stack([begins, ends]) - week, self._ends, self._summed)
        young = np.where(begins < first, 0.0, self._young_rate * (ends - begins))
        return np.where(begins - week >= first, before[1] - before[0], young)

    def _rate_while_young(self) -> float:
        """Calls a minute over the stream's first week, as far as it is known."""
        if self.first_at is None or self.newest_at is None or self.first_at < self._since:
            return 0.0
        begin = self._offset(self.first_at)
        end = min(self._offset(self.newest_at), begin + WEEK / _MINUTE)
        # Whole hours are known; what lies before the first call is none.
        begin_hour, end_hour = begin // 60, -(-(end + 1) // 60)
        held = self._summed[int(end_hour)] - self._summed[int(begin_hour)]
        return float(held / max(min(end_hour * 60, end + 1) - begin, 1.0))

    def _offset(self, instant: datetime) -> float:
        return (instant - self._since) / _MINUTE

    def _whole(self, minutes: Minutes) -> NDArray[np.int64]:
        return np.clip(minutes, 0, len(self._present) - 1).astype(np.int64)


def _began(lifetime: Lifetime, since: datetime) -> datetime | None:
    """Where it is known by day alone: what began later is known by its first minute."""
    first = lifetime.first_day
    return first if first is not None and first + _DAY <= since else None


def _ended(lifetime: Lifetime) -> datetime | None:
    return None if lifetime.last_day is None else lifetime.last_day + _DAY - _MINUTE
