"""What a definition of an SLO would have raised over a stretch of history, by the product's rule.

Most minutes cannot change an alert: the burns say so, all minutes at once. At the others the rule
itself, `judge_slo`, is asked, one after the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from service.domain.alert_replay import Counts, Flags, Reached
from service.domain.alert_windows import ROUNDING, AlertTier, Severity
from service.domain.blindness import STANDARD_POLICY, SloPolicy, WindowReading
from service.domain.burn_rate import Budget, SloVerdict, budget, judge_slo
from service.domain.minute_series import FIELDS, Numbers, Parts, Readings, Stream
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.domain.strata import weigh_strata

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_SLACK = 1e-6
"""By so much the burns of all minutes may be off: they are differences of long sums."""
_N, _W, _W2, _WX, _, _BAD_N, _BAD_W, _BAD_W2 = range(len(FIELDS))


@dataclass(frozen=True, slots=True)
class Raised:
    """A page or ticket: an alert that opened, or that became a page.

    until: when the alert cleared; None: it was still open at the end.
    """

    at: datetime
    severity: Severity
    tier: str
    sentence: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """How much of its budget an SLO had spent at an instant; `n`: what that rests on."""

    at: datetime
    n: int
    budget: Budget


def list_raised(
    slo: Slo,
    parts: Parts,
    start: datetime,
    end: datetime,
    policy: SloPolicy = STANDARD_POLICY,
) -> list[Raised]:
    """What is raised in [start, end], judged at each whole minute.

    It begins without an alert as much earlier as the longest alert window: what was open at `start`
    is listed with when it opened.
    """
    first = start - max(slo.window_lengths)
    marks = _Marks(slo, parts, first, (end - first) // _MINUTE + 1, policy)
    raised: list[Raised] = []
    open_since = 0
    previous: frozenset[str] = frozenset()
    severity: Severity | None = None
    number = marks.next_change(0, previous)
    while number is not None:
        now = first + number * _MINUTE
        verdict = judge_slo(slo, _read(slo, parts, now), now, policy, previous)
        previous = verdict.alerting_tiers
        if verdict.severity != severity:
            if severity is None:
                open_since = len(raised)
            # An incident's severity only rises, and only then somebody is told again.
            told = {each.severity for each in raised[open_since:]}
            if verdict.severity is not None and told <= {"ticket"} - {verdict.severity}:
                raised.append(_raised(verdict, now))
            if verdict.severity is None:
                raised[open_since:] = [_until(each, now) for each in raised[open_since:]]
            severity = verdict.severity
        number = marks.next_change(number + 1, previous)
    return [each for each in raised if each.until is None or each.until >= start]


def _raised(verdict: SloVerdict, now: datetime) -> Raised:
    assert verdict.severity is not None  # noqa: S101 - it has just become one
    return Raised(now, verdict.severity, verdict.deciding.tier.key, verdict.sentence, None)


def _until(raised: Raised, at: datetime) -> Raised:
    return Raised(raised.at, raised.severity, raised.tier, raised.sentence, at)


def trace_budget(slo: Slo, parts: Parts, instants: Iterable[datetime]) -> list[BudgetPoint]:
    """The budget just before each of these whole minutes."""
    points = []
    for at in instants:
        start = slo.budget_starts_at(at - _MINUTE)
        tally = _together([part.steps.tally(start, at) for part, _ in parts], parts)
        points.append(BudgetPoint(at, tally.n, budget(tally, slo.objective)))
    return points


def ends_of_days(start: datetime, end: datetime) -> list[datetime]:
    """The midnights (UTC) in (start, end], and the end."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
    days = [midnight + n * _DAY for n in range((end - midnight) // _DAY + 1)]
    return days if days and days[-1] == end else [*days, end]


def _together(tallies: Sequence[Tally], parts: Parts) -> Tally:
    if len(parts) == 1:
        return tallies[0]
    return weigh_strata(tallies, [weight for _, weight in parts])


def _read(slo: Slo, parts: Parts, now: datetime) -> Readings:
    each = [part.read(slo.window_lengths, now) for part, _ in parts]
    if len(parts) == 1:
        return each[0]
    return {length: _combined([one[length] for one in each], parts) for length in each[0]}


def _combined(readings: Sequence[WindowReading], parts: Parts) -> WindowReading:
    newest = [reading.newest_at for reading in readings if reading.newest_at is not None]
    return WindowReading(
        tally=_together([reading.tally for reading in readings], parts),
        unscored=sum(reading.unscored for reading in readings),
        observed_slices=sum(reading.observed_slices for reading in readings),
        expected_slices=sum(reading.expected_slices for reading in readings),
        # Blind in one part is blind.
        newest_at=min(newest) if len(newest) == len(readings) else None,
        missed_calls=max(reading.missed_calls for reading in readings),
    )


class _Marks:
    """The minutes at which a tier may begin to alert, or may end: never too few."""

    def __init__(
        self, slo: Slo, parts: Parts, first: datetime, count: int, policy: SloPolicy
    ) -> None:
        seen = {length: _Seen.of(parts, first, count, length) for length in slo.window_lengths}
        self._begins: dict[str, Flags] = {}
        self._ends: dict[str, Flags] = {}
        for tier in slo.tiers:
            long, short = seen[tier.long], seen[tier.short]
            self._begins[tier.key] = _may_fire(slo, tier, long, short, policy)
            self._ends[tier.key] = _may_clear(slo, tier, long, short, policy)
        self._by_state: dict[frozenset[str], Counts] = {}

    def next_change(self, start: int, alerting: frozenset[str]) -> int | None:
        """The first minute from `start` on at which these tiers may not be the alerting ones."""
        if alerting not in self._by_state:
            flags = [
                self._ends[key] if key in alerting else begins
                for key, begins in self._begins.items()
            ]
            self._by_state[alerting] = np.flatnonzero(np.any(flags, axis=0))
        numbers = self._by_state[alerting]
        at = int(np.searchsorted(numbers, start))
        return int(numbers[at]) if at < len(numbers) else None


@dataclass(frozen=True, slots=True)
class _Seen:
    """Of the window that ends at each minute: its bad ratio and what that is worth."""

    held: Flags
    ratio: Numbers
    effective_n: Numbers

    @classmethod
    def of(cls, parts: Parts, first: datetime, count: int, length: timedelta) -> "_Seen":
        sums = [_slide(part, first, count, length) for part, _ in parts]
        if len(sums) == 1:
            return cls._of_sums(sums[0])
        weights = np.array([weight for _, weight in parts])[:, None]
        present = np.array([each[_N] > 0 for each in sums])
        share = weights * present / np.maximum((weights * present).sum(axis=0), 1e-300)
        calls = sum(each[_N] for each in sums)
        total = np.zeros_like(sums[0])
        for each, of_part in zip(sums, share, strict=True):
            factor = calls * of_part / np.where(each[_N] > 0, each[_W], 1.0)
            powers = np.ones((len(FIELDS), 1)) * factor
            powers[[_N, _BAD_N]] = 1.0
            powers[[_W2, _BAD_W2]] = factor * factor
            total += each * powers
        return cls._of_sums(total)

    @classmethod
    def _of_sums(cls, sums: Numbers) -> "_Seen":
        held = sums[_N] > 0.5
        w = np.where(held, sums[_W], 1.0)
        w2 = np.where(held, np.maximum(sums[_W2], 1e-300), 1.0)
        ratio = np.where(held, np.clip(sums[_BAD_W] / w, 0.0, 1.0), 0.0)
        kish = w * w / w2
        # As `Tally.effective_n`.
        good_w2 = np.maximum(0.0, w2 - sums[_BAD_W2])
        spread = sums[_BAD_W2] * (1 - ratio) ** 2 + good_w2 * ratio**2
        is_mixed = (ratio > 0) & (sums[_BAD_N] < sums[_N] - 0.5) & (spread > 0)
        by_spread = ratio * (1 - ratio) * w * w / np.where(is_mixed, spread, 1.0)
        effective = np.where(is_mixed, np.minimum(kish, by_spread), kish)
        return cls(held, ratio, np.where(held, effective, 0.0))

    def most_bad(self) -> Reached:
        """Rounded so that there is never less evidence of badness than there was."""
        bad = np.floor(self._bad * (1 + _SLACK) + _SLACK)
        good = np.maximum(0.0, np.ceil(self._good * (1 - _SLACK) - _SLACK))
        return Reached((bad + good).astype(np.int64), bad.astype(np.int64))

    def least_bad(self) -> Reached:
        """The other way around."""
        bad = np.maximum(0.0, np.ceil(self._bad * (1 - _SLACK) - _SLACK))
        good = np.floor(self._good * (1 + _SLACK) + _SLACK)
        return Reached((bad + good).astype(np.int64), bad.astype(np.int64))

    @property
    def _bad(self) -> Numbers:
        return self.effective_n * self.ratio

    @property
    def _good(self) -> Numbers:
        return self.effective_n * (1 - self.ratio)


def _slide(part: Stream, first: datetime, count: int, length: timedelta) -> Numbers:
    """The sums of the window that ends at each minute."""
    steps = part.steps
    sums = np.concatenate([np.zeros((len(FIELDS), 1)), np.cumsum(steps.sums, axis=1)], axis=1)
    ends = (first - steps.start) // _MINUTE + np.arange(count)
    width = steps.length // _MINUTE
    begins = -(-(ends - length // _MINUTE) // width)
    latest = sums.shape[1] - 1
    last, before = (np.clip(each, 0, latest) for each in (ends // width, begins))
    within: Numbers = sums[:, np.maximum(last, before)] - sums[:, before]
    if steps.is_mean:
        bad = np.clip(1 - within[_WX] / np.where(within[_N] > 0.5, within[_W], 1.0), 0.0, 1.0)
        within[_BAD_N] = np.ceil(within[_N] * bad)
        within[_BAD_W], within[_BAD_W2] = within[_W] * bad, within[_W2] * bad
    return within


def _may_fire(slo: Slo, tier: AlertTier, long: _Seen, short: _Seen, policy: SloPolicy) -> Flags:
    fires_at = tier.firing_ratio(slo.objective) * ROUNDING * (1 - _SLACK)
    allowed = (1 - slo.objective) * ROUNDING * (1 - _SLACK)
    fires: Flags = (long.ratio > fires_at) & (short.ratio > fires_at)
    burning = long.most_bad().at(fires)
    fires[fires] = burning.surely_exceeds(
        fires_at, policy.confidence - _SLACK
    ) | burning.surely_exceeds(allowed, policy.certainty * (1 - _SLACK))
    return fires


def _may_clear(slo: Slo, tier: AlertTier, long: _Seen, short: _Seen, policy: SloPolicy) -> Flags:
    fires_at = tier.firing_ratio(slo.objective) * ROUNDING * (1 + _SLACK)
    clears: Flags = short.held & (short.ratio <= fires_at)
    in_doubt = clears & (long.ratio > fires_at)
    recovered = short.least_bad().at(in_doubt)
    clears[in_doubt] = recovered.surely_within(fires_at, policy.confidence - _SLACK)
    return clears
