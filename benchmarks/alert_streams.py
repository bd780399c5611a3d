"""Simulated calls by minute: traffic patterns, incidents, and what of it can be seen when.

Time is the last axis, in minutes; repetitions are rows. Only kept calls are drawn: keeping each
call of a Poisson stream with one probability leaves a thinner Poisson stream.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.domain.alert_replay import Flags, MinuteCounts, Reached
from service.domain.blindness import STANDARD_POLICY
from service.domain.time_slices import CALLS_EXPECTED, LATENESS, SLICES_PER_WINDOW

Pattern = Literal["iid", "bursty", "diurnal"]
Floats = NDArray[np.float64]

DAY = 24 * 60
MONTH = 30 * DAY
MINUTE = timedelta(minutes=1)
BURST = 15
"""Minutes that a burst lasts. In each, traffic is Gamma(1) and the bad ratio Gamma(1/2) times its
usual self: in half of the bursts less than half of it, in one of a hundred more than six times."""
DIURNAL_SWING = 0.9
STEP_BURN, STEP_RATIO = 30, 0.95
"""A step is to 30 times the budget, at most to 95 % bad: at an objective of 0.99, to 30 %."""
ON_TIME = ((0, 1.0),)
LATE = ((0, 0.90), (2, 0.05), (10, 0.04), (30, 0.01))
"""Minutes until a call's score is known, and the share of calls that take so long."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens to an app that spends `burn` times its budget. Lengths in minutes."""

    name: str
    burn: float = 0.5
    lasts: int = 0
    ramps_over: int = 1
    peak: float | None = None
    is_silent: bool = False
    delays: tuple[tuple[int, float], ...] = ON_TIME

    @property
    def has_incident(self) -> bool:
        """Whether bad calls are to be noticed."""
        return self.lasts > 0 and not self.is_silent

    @property
    def judged(self) -> int:
        """A month of nothing, or the incident and a day after it."""
        return self.lasts + DAY if self.lasts else MONTH


NULLS = (Scenario("burn 0.5"), Scenario("burn 1", burn=1.0))
STEP = Scenario("step", lasts=DAY)
SCENARIOS = (
    *NULLS,
    STEP,
    Scenario("ramp", lasts=DAY, ramps_over=6 * 60),
    Scenario("spike", lasts=10, peak=1.0),
    Scenario("silence", lasts=4 * 60, is_silent=True),
    Scenario("late data", lasts=DAY, delays=LATE),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One app to simulate; `sampling` is the share of its calls that are kept."""

    objective: float
    calls_per_hour: float
    sampling: float
    pattern: Pattern
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Stream:
    """Counts by minute in parts of one delay each, and running sums of what was to be expected.

    usual: kept calls, were nothing the matter. spent: budgets of 30 days, as bad calls are due.
    """

    parts: tuple[tuple[int, MinuteCounts], ...]
    usual: Floats
    spent: Floats
    starts_at: int
    ends_at: int

    def within(self, window: timedelta) -> tuple[Reached, NDArray[np.int64]]:
        """What is known of the window that ends with each minute, and how many calls pend."""
        whole = [(delay, counts.within(window)) for delay, counts in self.parts]
        pending = [(_known_later(counts, window, delay)) for delay, counts in self.parts if delay]
        late = sum((calls for calls, _ in pending), np.zeros(1, dtype=np.int64))
        late_bad = sum((bad for _, bad in pending), np.zeros(1, dtype=np.int64))
        total = sum(reached.total for _, reached in whole)
        bad = sum(reached.bad for _, reached in whole)
        return Reached(total - late, bad - late_bad), late

    def calls(self) -> NDArray[np.int64]:
        """Running sum of all kept calls."""
        total: NDArray[np.int64] = np.sum([counts.total for _, counts in self.parts], axis=0)
        return total


def _known_later(
    counts: MinuteCounts, window: timedelta, delay: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Calls of the last `delay` minutes of the window: their score is still to come."""
    pending = counts.within(min(window, delay * MINUTE))
    return pending.total, pending.bad


def draw(cell: Cell, repetitions: int, warm_up: int, seed: int) -> Stream:
    """Repetitions of the cell's stream; judged from `starts_at`, after the warm-up."""
    chance = np.random.default_rng([seed, *_digits(cell)])
    scenario, minutes = cell.scenario, warm_up + cell.scenario.judged
    ends_at = warm_up + (scenario.lasts or scenario.judged)
    profile = _profile(cell.pattern, repetitions, minutes, chance)
    ratio = np.broadcast_to(_bad_ratio(cell, warm_up, minutes), profile.shape)
    traffic = profile
    if cell.pattern == "bursty":
        traffic = profile * _bursts(chance, 1.0, repetitions, minutes)
        ratio = np.minimum(1.0, ratio * _bursts(chance, 0.5, repetitions, minutes))
    if scenario.is_silent:
        traffic = traffic.copy()
        traffic[:, warm_up:ends_at] = 0
    rate = cell.calls_per_hour / 60
    kept = traffic * (rate * cell.sampling)
    month_budget = (1 - cell.objective) * MONTH
    return Stream(
        parts=tuple(_draw_parts(chance, kept, ratio, scenario)),
        usual=_running(profile * (rate * cell.sampling)),
        spent=_running(traffic * ratio / month_budget),
        starts_at=warm_up,
        ends_at=ends_at,
    )


def _digits(cell: Cell) -> Iterator[int]:
    """Seeds each cell with what it is, whatever its place in the grid."""
    yield round(cell.objective * 1000)
    yield round(cell.calls_per_hour)
    yield round(cell.sampling * 1000)
    yield from cell.pattern.encode()
    yield from cell.scenario.name.encode()


def _profile(
    pattern: Pattern, repetitions: int, minutes: int, chance: np.random.Generator
) -> Floats:
    """Usual traffic, 1 in the mean; each repetition begins at its own time of day."""
    if pattern != "diurnal":
        return np.ones((repetitions, minutes))
    begins = chance.random((repetitions, 1))
    return 1 + DIURNAL_SWING * np.sin(2 * np.pi * (np.arange(minutes) / DAY + begins))


def _bad_ratio(cell: Cell, starts_at: int, minutes: int) -> Floats:
    budget, scenario = 1 - cell.objective, cell.scenario
    ratio = np.full(minutes, scenario.burn * budget)
    if scenario.has_incident:
        peak = scenario.peak or min(STEP_RATIO, STEP_BURN * budget)
        reached = np.minimum(1.0, np.arange(1, scenario.lasts + 1) / scenario.ramps_over)
        ratio[starts_at : starts_at + scenario.lasts] += (peak - ratio[0]) * reached
    return ratio


def _bursts(chance: np.random.Generator, shape: float, repetitions: int, minutes: int) -> Floats:
    drawn = chance.gamma(shape, 1 / shape, (repetitions, -(-minutes // BURST)))
    return np.repeat(drawn, BURST, axis=1)[:, :minutes]


def _draw_parts(
    chance: np.random.Generator, kept: Floats, ratio: Floats, scenario: Scenario
) -> Iterator[tuple[int, MinuteCounts]]:
    for delay, share in scenario.delays:
        bad = chance.poisson(kept * ratio * share)
        good = chance.poisson(kept * (1 - ratio) * share)
        yield delay, MinuteCounts.of(good + bad, bad)


def _running(values: Floats) -> Floats:
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def find_silence(stream: Stream) -> Flags:
    """Minutes at which the product says that nothing comes: see `blindness.find_silence`."""
    calls = stream.calls()
    minute = np.arange(calls.shape[1])
    came = np.zeros(calls.shape, dtype=np.int64)
    came[:, 1:] = np.where(np.diff(calls, axis=1) > 0, minute[1:], 0)
    newest = np.maximum.accumulate(came, axis=1)
    missed = stream.usual - np.take_along_axis(stream.usual, newest, axis=1)
    allowed = STANDARD_POLICY.watermark_allowance // MINUTE
    return ((minute - newest > allowed) & (missed >= CALLS_EXPECTED))[:, 1:]


def find_gaps(stream: Stream, window: timedelta) -> Flags:
    """Minutes at which too few slices of the window were observed: see `blindness.find_gap`."""
    length = -(-window // (SLICES_PER_WINDOW * MINUTE))
    count = (window - LATENESS) // (length * MINUTE)
    calls = stream.calls()
    due, seen = (
        _over(sums, length) >= least for sums, least in ((stream.usual, CALLS_EXPECTED), (calls, 1))
    )
    gaps = np.zeros((calls.shape[0], calls.shape[1] - 1), dtype=bool)
    if not (due & ~seen).any():
        return gaps
    expected, observed = (np.zeros(gaps.shape, dtype=np.int16) for _ in range(2))
    for begin in range(LATENESS // MINUTE, count * length + 1, length):
        expected[:, begin:] += due[:, : gaps.shape[1] - begin]
        observed[:, begin:] += (due & seen)[:, : gaps.shape[1] - begin]
    gaps |= observed < STANDARD_POLICY.min_coverage * expected
    return gaps


def _over(sums: NDArray[Any], length: int) -> NDArray[Any]:
    """By minute, what came in the last so many; nothing before the first."""
    padded = np.concatenate([np.repeat(sums[:, :1], length, axis=1), sums], axis=1)
    over: NDArray[Any] = (padded[:, length:] - padded[:, :-length])[:, 1:]
    return over
