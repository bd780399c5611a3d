"""What the drift test promises, held by seeded simulation (statistics.md section 7).

A run is one quarter: 2190 hourly batches. The share of runs with a false alarm is bounded by
Clopper-Pearson at 95 %: 0 of 60, 2 of 150 and 8 of 300 runs are the most that pass as below 5 %.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from service.domain.drift.bins import Floats
from service.domain.drift.e_detector import DetectorPath, alarm_threshold, run_e_detector
from service.domain.drift.reference import Reference, build_reference
from service.domain.drift.tolerance_grid import log_factors, tolerance_grid
from service.domain.drift.verdict import DriftPolicy

POLICY = DriftPolicy()
QUARTER = POLICY.horizon_batches
DAY = 24
COMPONENTS = 84
LEVELS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
LEVEL_SHARES = np.array([0.03, 0.07, 0.2, 0.3, 0.4])


@dataclass(frozen=True)
class Population:
    """Values by quantile function and its inverse; values <= `cut` are kept with `keep_low`."""

    quantile: Callable[[Floats], Floats]
    cdf: Callable[[Floats], Floats]
    keep_low: float = 1.0
    keep_high: float = 1.0
    cut: float = 0.0


def _step_cdf(x: Floats) -> Floats:
    return (LEVEL_SHARES[None, :] * (LEVELS[None, :] <= x[:, None])).sum(axis=1)


def _step_quantile(u: Floats) -> Floats:
    return LEVELS[np.minimum(np.searchsorted(np.cumsum(LEVEL_SHARES), u), 4)]


NORMAL = Population(stats.norm.ppf, stats.norm.cdf)
NULLS = {
    "iid": NORMAL,
    "ties on 5 levels": Population(_step_quantile, _step_cdf),
    "rounded to halves": Population(
        lambda u: np.round(2 * stats.norm.ppf(u)) / 2,
        lambda x: stats.norm.cdf(np.floor(2 * x) / 2 + 0.25),
    ),
    "binary": Population(
        lambda u: (u > 0.16).astype(float), lambda x: 0.16 * (x >= 0) + 0.84 * (x >= 1)
    ),
    "rare failure": Population(
        lambda u: (u > 0.01).astype(float), lambda x: 0.01 * (x >= 0) + 0.99 * (x >= 1)
    ),
    "heavy tail": Population(stats.t(1.5).ppf, stats.t(1.5).cdf),
}
# The cut lies inside a bin, so that a bin holds unequal weights.
KEPT_BY_OUTCOME = {
    "low values always kept": Population(stats.norm.ppf, stats.norm.cdf, 1.0, 0.1, cut=-0.3),
    "high values always kept": Population(stats.norm.ppf, stats.norm.cdf, 0.1, 1.0, cut=0.3),
    "rare failures always kept": Population(
        lambda u: (u > 0.05).astype(float), lambda x: 0.05 * (x >= 0) + 0.95 * (x >= 1), 1.0, 0.1
    ),
}


def _reference(population: Population, rng: np.random.Generator, calls: int) -> Reference:
    values = population.quantile(rng.random(calls))
    keep = np.where(values <= population.cut, population.keep_low, population.keep_high)
    kept = rng.random(calls) < keep
    reference = build_reference(values[kept], 1 / keep[kept])
    assert isinstance(reference, Reference)
    return reference


def _batches(
    population: Population, reference: Reference, rng: np.random.Generator, shape: tuple[int, int]
) -> tuple[Floats, Floats, Floats]:
    """(hours, bins) sums n, w, w2 of `shape` = (hours, calls an hour) calls of the population."""
    cells = np.unique([*reference.edges, population.cut])
    chances = np.diff(population.cdf(cells), prepend=0.0, append=1.0)
    hours, calls = shape
    counts = rng.multinomial(calls, np.maximum(chances, 0) / chances.clip(0).sum(), size=hours)
    top = np.append(cells, np.inf)
    keep = np.where(top <= population.cut, population.keep_low, population.keep_high)
    kept = rng.binomial(counts, keep)
    bin_of = np.searchsorted(reference.edges, top, side="left")
    into = (bin_of[:, None] == np.arange(len(reference.edges) + 1)).astype(float)
    return kept @ into, (kept / keep) @ into, (kept / keep**2) @ into


def _run(
    past: Population,
    present: Population,
    streams: int,
    *,
    seed: int,
    family: int = 1,
    reference_calls: int = 1000,
    hours: int = QUARTER,
    calls: int = 21,
) -> DetectorPath:
    """Watch `streams` independent streams, with the threshold of a family of `family`."""
    rng = np.random.default_rng(seed)
    paths = []
    for first in range(0, streams, 60):
        chunk = min(60, streams - first)
        factors, prior = np.zeros((hours, chunk, COMPONENTS)), np.zeros((chunk, COMPONENTS))
        for stream in range(chunk):
            reference = _reference(past, rng, reference_calls)
            grid = tolerance_grid(reference, POLICY.tolerance, POLICY.reference_alpha)
            bets = log_factors(grid, *_batches(present, reference, rng, (hours, calls)))
            factors[:, stream, : grid.prior.size] = bets.reshape(hours, -1)
            prior[stream, : grid.prior.size] = grid.prior.ravel()
        threshold = alarm_threshold(family, QUARTER, POLICY.false_incidents)
        paths.append(run_e_detector(factors, prior, threshold, np.arange(hours), hold_hours=DAY))
    return DetectorPath(
        np.concatenate([p.e_values for p in paths], axis=1),
        np.concatenate([p.alarms for p in paths], axis=1),
    )


def _days_to_alarm(path: DetectorPath) -> Floats:
    hours = np.where(path.alarms.any(axis=0), path.alarms.argmax(axis=0) + 1.0, np.inf)
    return hours / DAY


def _upper_bound(bad: int, runs: int) -> float:
    return float(stats.binomtest(bad, runs).proportion_ci(0.90).high)


@pytest.mark.parametrize("null", NULLS)
def test_a_stream_that_does_not_change_raises_an_alarm_in_at_most_5_percent_of_quarters(null):
    path = _run(NULLS[null], NULLS[null], streams=300, seed=1)
    assert _upper_bound(int(path.alarms.any(axis=0).sum()), 300) <= 0.05


@pytest.mark.parametrize("null", KEPT_BY_OUTCOME)
def test_keeping_by_outcome_raises_an_alarm_in_at_most_5_percent_of_quarters(null):
    population = KEPT_BY_OUTCOME[null]
    path = _run(population, population, streams=150, seed=2, reference_calls=9000, calls=60)
    assert _upper_bound(int(path.alarms.any(axis=0).sum()), 150) <= 0.05


def test_a_family_of_20_streams_raises_an_alarm_in_at_most_5_percent_of_quarters():
    path = _run(NORMAL, NORMAL, streams=60 * 20, family=20, seed=3)
    bad_runs = path.alarms.any(axis=0).reshape(60, 20).any(axis=1).sum()
    assert _upper_bound(int(bad_runs), 60) <= 0.05


def test_a_shift_of_half_a_sigma_is_found_within_a_day():
    path = _run(NORMAL, _shifted(0.5), 60, family=20, seed=4, reference_calls=5000, hours=72)
    assert np.mean(_days_to_alarm(path) <= 1) >= 0.9


def test_a_shift_of_a_fifth_of_a_sigma_is_found_within_5_days():
    path = _run(NORMAL, _shifted(0.2), 120, family=20, seed=5, reference_calls=5000, hours=480)
    days = _days_to_alarm(path)
    assert np.median(days) <= 5
    assert np.mean(days <= 10) >= 0.9


def test_a_shift_is_found_however_the_rows_were_kept():
    """210 calls an hour, of which about 80 are kept."""
    past = KEPT_BY_OUTCOME["low values always kept"]
    for shift in (-0.5, 0.5):
        present = _shifted(shift, past)
        path = _run(past, present, 20, family=20, seed=6, reference_calls=9000, hours=72, calls=210)
        assert np.median(_days_to_alarm(path)) <= 1


def test_a_weak_drift_keeps_firing_while_it_lasts_and_stops_a_day_or_two_after():
    hours = 40 * DAY
    rng = np.random.default_rng(7)
    reference = _reference(NORMAL, rng, 5000)
    grid = tolerance_grid(reference, POLICY.tolerance, POLICY.reference_alpha)
    drifted = _batches(_shifted(0.25), reference, rng, (hours // 2, 21))
    recovered = _batches(NORMAL, reference, rng, (hours // 2, 21))
    bets = log_factors(grid, *(np.concatenate(b) for b in zip(drifted, recovered, strict=True)))
    path = run_e_detector(
        bets.reshape(hours, -1), grid.prior.ravel(), 43800.0, np.arange(hours), hold_hours=DAY
    )
    alarms = np.flatnonzero(path.alarms)
    assert alarms[0] < 10 * DAY
    assert np.diff(alarms).max() <= 2 * DAY
    assert hours // 2 - DAY < alarms[-1] < hours // 2 + DAY


def _shifted(sigmas: float, population: Population = NORMAL) -> Population:
    return replace(
        population,
        quantile=lambda u: stats.norm.ppf(u) + sigmas,
        cdf=lambda x: stats.norm.cdf(x - sigmas),
    )
