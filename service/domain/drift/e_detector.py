"""The Shiryaev-Roberts e-detector: adds up evidence for a change at an unknown time.

Source: Shin, Ramdas and Rinaldo, "E-detectors" (arXiv 2203.03532); statistics.md section 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.domain.drift.bins import Floats, Ints

# e^460 = 1e200: far above any threshold, and no product of it with a sum below the threshold
# can overflow. So the recursion itself needs no logarithms, and is ten times faster without.
_LOG_FACTOR_CAP = 460.0


@dataclass(frozen=True, slots=True, eq=False)
class DetectorPath:
    """Evidence and alarm after every batch, both of shape (batches, *streams)."""

    e_values: Floats
    alarms: NDArray[np.bool_]


def alarm_threshold(streams: int, horizon_batches: int, false_incidents: float) -> float:
    """The evidence c = K T / alpha at which an alarm is raised.

    By P(alarm within T batches) <= T / c for each of K streams, at most `false_incidents` of them
    are to be expected in the horizon. Peeking at a batch while it fills costs nothing: the batch's
    factor is itself a product of fair bets, row by row.

    >>> alarm_threshold(streams=20, horizon_batches=2190, false_incidents=0.05)
    876000.0
    """
    return streams * horizon_batches / false_incidents


def run_e_detector(
    log_factors: Floats, prior: Floats, threshold: float, hours: Ints, hold_hours: int
) -> DetectorPath:
    """Run R_j <- (1 + R_j) L_j over the batches; M = sum_j prior_j R_j; alarm where M >= threshold.

    log_factors: (batches, *streams, components), log L_j; prior: (*streams, components), sums to 1
    over the components; hours: (batches,) ascending, the hour number of each batch.

    Until the first alarm this is the e-detector to the letter. At an alarm R is scaled back to
    M = threshold, so that a lasting drift keeps alarming while the evidence of a drift that has
    ended melts within hours. An alarm is over when `hold_hours` have passed without another;
    then R starts from 0, and the next false alarm is as unlikely as the first.

    >>> path = run_e_detector(
    ...     np.log([[3.0], [3.0], [0.1], [0.1], [3.0]]), prior=np.array([1.0]), threshold=10.0,
    ...     hours=np.arange(5), hold_hours=2)
    >>> path.e_values.round(2).tolist(), path.alarms.tolist()
    ([3.0, 12.0, 1.1, 0.21, 3.0], [False, True, False, False, False])
    """
    streams = log_factors.shape[1:-1]
    r = np.zeros(log_factors.shape[1:])
    e_values = np.zeros((len(log_factors), *streams))
    alarms = np.zeros((len(log_factors), *streams), dtype=np.bool_)
    never = np.iinfo(np.int64).min // 2
    alarmed_hour = np.full(streams, never)
    for batch, log_l in enumerate(log_factors):
        over = (alarmed_hour > never) & (hours[batch] - alarmed_hour > hold_hours)
        r = np.where(over[..., None], 0.0, r)
        alarmed_hour = np.where(over, never, alarmed_hour)
        r = (1.0 + r) * np.exp(np.minimum(log_l, _LOG_FACTOR_CAP))
        evidence = (prior * r).sum(axis=-1)
        alarm = evidence >= threshold
        r = r * np.where(alarm, threshold / np.maximum(evidence, threshold), 1.0)[..., None]
        alarmed_hour = np.where(alarm, hours[batch], alarmed_hour)
        e_values[batch], alarms[batch] = evidence, alarm
    return DetectorPath(e_values, alarms)
