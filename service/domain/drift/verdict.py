"""The drift verdict of one stream: firing, healthy or unknown, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np

from service.domain.drift.bins import BinCounts
from service.domain.drift.e_detector import DetectorPath, alarm_threshold, run_e_detector
from service.domain.drift.effect import (
    DriftEffect,
    largest_effect,
    minimum_detectable_effect,
    rows_needed,
)
from service.domain.drift.reference import InsufficientReference, Reference
from service.domain.drift.tolerance_grid import ToleranceGrid, log_factors, tolerance_grid
from service.domain.drift.wording import Wording
from service.errors import InvalidInputError

HourlyCounts = Sequence[tuple[datetime, BinCounts]]
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """What counts as drift, and what false alarms may cost.

    tolerance: the change of a share that nobody is to be woken for, on top of what the reference
        itself cannot tell (2.3 points at the median of 5,000 rows, 5.1 of 1,000). Half a point is
        the largest round figure that still finds .2 sigma in 5 days (median, 500 rows a day, 20
        streams, reference 5,000; statistics.md section 7), and bounds what huge traffic can find.
    reference_alpha: chance that any bound of a stream's reference is below the true share. A bound
        missed by a hair does not alarm, the tolerance covers it; .01 holds the family of 20 streams
        below `false_incidents` even with 1,000 reference rows and 5,000 rows a day (false alarms in
        3 of 400 simulated quarters).
    false_incidents: expected false incidents per horizon over all streams (section 4).
    horizon_batches: hours of a quarter (section 4).
    hold: how long an alarm lasts after the batch that raised it.
    recent: the rows behind the shown effect; a stream silent for longer is unknown.
    sight: the period within which a drift should be found: fewer rows than a total change would
        need is unknown, and the minimum detectable effect refers to it.
    effect_alpha: 1 - coverage of the effect's interval (section 7 asks for >= .94).
    """

    tolerance: float = 0.005
    reference_alpha: float = 0.01
    false_incidents: float = 0.05
    horizon_batches: int = 2190
    hold: timedelta = timedelta(hours=24)
    recent: timedelta = timedelta(hours=24)
    sight: timedelta = timedelta(days=7)
    effect_alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """What is known of a stream's drift.

    `sentence` says it with its numbers. `tolerance` is what the policy adds to the bounds, a
    difference of shares; what `effect` is held against is its `bound`. `e_value` is the evidence
    after the newest batch, an alarm at `threshold` or above; `alarmed_at` the hour of the latest
    alarm, past ones included;
    `minimum_detectable_effect` an exceedance comparable with `effect.exceedance`.
    """

    status: Literal["firing", "healthy", "unknown"]
    reason: Literal["", "warming_up", "insufficient_data"]
    sentence: str
    tolerance: float
    threshold: float
    e_value: float | None = None
    alarmed_at: datetime | None = None
    effect: DriftEffect | None = None
    minimum_detectable_effect: float | None = None


class UnusableBatchesError(InvalidInputError):
    """Drift batches must be one per hour, in order, and counted in the reference's bins."""


def judge_drift(
    reference: Reference | InsufficientReference,
    batches: HourlyCounts,
    policy: DriftPolicy,
    streams: int,
    now: datetime,
    *,
    last_alarm: datetime | None = None,
    metric: str = "value",
    unit: str = "",
    rows_are: str = "answers",
) -> DriftVerdict:
    """Judge the whole path of a stream since its reference, from its hourly counts.

    `streams` is the number of streams that share `policy.false_incidents`. `last_alarm` is the
    `alarmed_at` of the verdict before, the only thing remembered between calls: a part of an hour
    can alarm where the whole hour would not, and that alarm lasts as long as any other. Else late
    rows change the counts of their hour, and the verdict is what it would have been had they come
    in time. `metric`, `unit` and `rows_are` only word the sentence. Raises `UnusableBatchesError`.

    >>> warming = judge_drift(
    ...     InsufficientReference(rows=412), [], DriftPolicy(), streams=1,
    ...     now=datetime.fromisoformat("2026-11-16T12:00Z"), metric="output length")
    >>> warming.status, warming.reason, warming.sentence
    ('unknown', 'warming_up', 'output length: warming up, 412 of 1000 answers.')
    """
    threshold = alarm_threshold(streams, policy.horizon_batches, policy.false_incidents)

    def unknown(reason: Literal["warming_up", "insufficient_data"], why: str) -> DriftVerdict:
        sentence = f"{metric}: {why}"
        return DriftVerdict(
            "unknown", reason, sentence, policy.tolerance, threshold, alarmed_at=last_alarm
        )

    if isinstance(reference, InsufficientReference):
        return unknown("warming_up", f"warming up, {reference.progress(rows_are)}.")
    counted = _usable_batches(reference, batches, now)
    if not counted:
        return unknown("insufficient_data", f"no {rows_are} since the reference.")
    if now - counted[-1][0] > policy.recent + _HOUR:
        return unknown(
            "insufficient_data", f"no {rows_are} since {counted[-1][0]:%Y-%m-%d %H:%M} UTC."
        )
    grid = tolerance_grid(reference, policy.tolerance, policy.reference_alpha)
    if not grid.prior.any():
        return unknown("insufficient_data", "the reference's weights differ too much to bound it.")
    wording = Wording(metric, unit, rows_are)
    return _judge_path(reference, grid, counted, policy, threshold, last_alarm, wording)


def _judge_path(
    reference: Reference,
    grid: ToleranceGrid,
    batches: HourlyCounts,
    policy: DriftPolicy,
    threshold: float,
    last_alarm: datetime | None,
    wording: Wording,
) -> DriftVerdict:
    path = _run(grid, batches, policy, threshold)
    newest = batches[-1][0]
    alarmed_at = _latest_alarm(path, batches, last_alarm)
    effect = largest_effect(
        reference, grid, _within(batches, policy.recent), alpha=policy.effect_alpha
    )
    seen = _within(batches, policy.sight)
    needed = rows_needed(grid, seen, threshold)
    detectable = minimum_detectable_effect(grid, effect, seen, threshold)

    status: Literal["firing", "healthy", "unknown"] = "healthy"
    sentence = wording.of_health(effect, detectable, policy.sight)
    if alarmed_at is not None and newest - alarmed_at <= policy.hold:
        status, sentence = "firing", wording.of_alarm(effect, alarmed_at, newest, policy.recent)
    elif seen.rows < needed:
        status, sentence = "unknown", wording.of_few(seen.rows, needed, policy.sight)
    return DriftVerdict(
        status=status,
        reason="insufficient_data" if status == "unknown" else "",
        sentence=sentence,
        tolerance=policy.tolerance,
        threshold=threshold,
        e_value=float(path.e_values[-1]),
        alarmed_at=alarmed_at,
        effect=effect,
        minimum_detectable_effect=detectable,
    )


def _latest_alarm(
    path: DetectorPath, batches: HourlyCounts, last_alarm: datetime | None
) -> datetime | None:
    alarms = [batches[int(index)][0] for index in np.flatnonzero(path.alarms)[-1:]]
    return max([*alarms, *([last_alarm] if last_alarm is not None else [])], default=None)


def _run(
    grid: ToleranceGrid, batches: HourlyCounts, policy: DriftPolicy, threshold: float
) -> DetectorPath:
    counts = [counts for _, counts in batches]
    factors = log_factors(
        grid,
        n=np.stack([c.n for c in counts]).astype(np.float64),
        w=np.stack([c.w for c in counts]),
        w2=np.stack([c.w2 for c in counts]),
    )
    return run_e_detector(
        factors.reshape(len(batches), -1),
        prior=grid.prior.ravel(),
        threshold=threshold,
        hours=np.array([int(hour.timestamp()) // 3600 for hour, _ in batches]),
        hold_hours=int(policy.hold / _HOUR),
    )


def _usable_batches(reference: Reference, batches: HourlyCounts, now: datetime) -> HourlyCounts:
    """Check the order and the bins; leave out empty hours and, for skewed clocks, future ones."""
    hours = [hour for hour, _ in batches]
    if any(later <= earlier for earlier, later in pairwise(hours)):
        raise UnusableBatchesError("Drift batches must be one per hour, in ascending order.")
    if any(len(counts.n) != len(reference.n) for _, counts in batches):
        raise UnusableBatchesError(
            f"Drift batches must have the reference's {len(reference.n)} bins."
        )
    return [(hour, counts) for hour, counts in batches if hour <= now and counts.rows]


def _within(batches: HourlyCounts, period: timedelta) -> BinCounts:
    """Add up the batches of the period that ends with the newest one."""
    newest = batches[-1][0]
    total = BinCounts.empty(len(batches[-1][1].n))
    for hour, counts in batches:
        if newest - hour < period:
            total = total + counts
    return total
