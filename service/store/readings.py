"""What the counts say of SLOs' windows and budgets: a few statements for all SLOs together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from sqlalchemy import BigInteger, Connection, Integer, Text, and_, func, select

from service.domain.blindness import WindowReading
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.domain.strata import weigh_strata
from service.domain.time_slices import cut_window, floor_minute
from service.domain.traffic import WEEK, Slices, Traffic
from service.store.asking import plan_for_many, unnested
from service.store.measured import Measured
from service.store.slices import count_slices_between
from service.store.tables import scoring_jobs
from service.store.tables.base import Instant
from service.store.traffic import read_traffic
from service.store.window_sums import Asked, Counted, count_between

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An SLO to be read."""

    slo: Slo
    measured: Measured


@dataclass(frozen=True, slots=True)
class SloReading:
    """What there is to judge an SLO by."""

    windows: Mapping[timedelta, WindowReading]
    budget: Tally


def read_slos(
    connection: Connection, wanted: Sequence[Wanted], *, now: datetime
) -> list[SloReading]:
    """Readings of windows that end at `now`, with the minute that is not over on top.

    To be read in one snapshot (REPEATABLE READ): between two, a job that ends would be neither
    pending nor scored.
    """
    if not wanted:
        return []
    plan_for_many(connection)
    leaves = [leaf for each in wanted for leaf in _leaves_of(each, now)]
    counted = _count(connection, leaves)
    longest = max(length for each in wanted for length in each.slo.window_lengths)
    traffic = read_traffic(
        connection, [leaf.measured for leaf in leaves], since=now - WEEK - longest, now=now
    )
    waiting = _read_waiting(connection, leaves, now)
    tallies = _tallies(connection, leaves, counted, traffic, now)
    cuts = {each.slo.window_lengths: _slices_of(each.slo.window_lengths, now) for each in wanted}
    readings = []
    number = 0
    for each in wanted:
        parts = []
        for _ in range(max(1, len(each.measured.parts))):
            leaf = leaves[number]
            evidence = _Evidence(
                leaf, counted[number], traffic[number], waiting[number], tallies[number]
            )
            parts.append(_read(evidence, cuts[each.slo.window_lengths], now))
            number += 1
        weights = [weight for _, weight in each.measured.parts]
        readings.append(_combined(parts, weights) if weights else parts[0])
    return readings


def read_tally(connection: Connection, measured: Measured, start: datetime, end: datetime) -> Tally:
    """What counts in [start, end), whatever the SLO's kind."""
    return read_tallies(connection, measured, (start, end))[0]


def read_tallies(
    connection: Connection, measured: Measured, edges: Sequence[datetime]
) -> list[Tally]:
    """What counts between each two of these instants."""
    if measured.parts:
        shares = [read_tallies(connection, part, edges) for part, _ in measured.parts]
        weights = [weight for _, weight in measured.parts]
        return [weigh_strata(tallies, weights) for tallies in zip(*shares, strict=True)]
    asked = Asked(measured, tuple(edges))
    if measured.budgeting.slice_length is None:
        between = count_between(connection, [asked])[0]
        return [measured.judged(counted.tally) for counted in between]
    return count_slices_between(connection, asked, first_at=edges[0], now=edges[-1])


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What is counted for one SLO, or for one part of a composite one."""

    slo: Slo
    measured: Measured
    starts: Mapping[timedelta, datetime]
    budget_start: datetime
    asked: Asked


def _leaves_of(wanted: Wanted, now: datetime) -> Iterable[_Leaf]:
    minute = floor_minute(now)
    starts = {length: minute - length for length in wanted.slo.window_lengths}
    budget_start = wanted.slo.budget_starts_at(now)
    edges = tuple(sorted({*starts.values(), budget_start, minute + _MINUTE}))
    for measured in [part for part, _ in wanted.measured.parts] or [wanted.measured]:
        asked = Asked(measured, edges)
        yield _Leaf(wanted.slo, measured, starts, budget_start, asked)


def _slices_of(lengths: Iterable[timedelta], now: datetime) -> Slices:
    return Slices.of([cut_window(length, now=now) for length in lengths])


def _count(connection: Connection, leaves: Sequence[_Leaf]) -> list[dict[datetime, Counted]]:
    """What counts since each edge."""
    since = []
    between = count_between(connection, [leaf.asked for leaf in leaves])
    for leaf, segments in zip(leaves, between, strict=True):
        summed = list(accumulate(reversed(segments)))[::-1]
        since.append(dict(zip(leaf.asked.edges, summed, strict=False)))
    return since


def _tallies(
    connection: Connection,
    leaves: Sequence[_Leaf],
    counted: Sequence[Mapping[datetime, Counted]],
    traffic: Sequence[Traffic],
    now: datetime,
) -> list[Mapping[datetime, Tally]]:
    """What is judged since each edge: calls and scores, or time slices of them."""
    tallies: list[Mapping[datetime, Tally]] = []
    for leaf, since, its in zip(leaves, counted, traffic, strict=True):
        measured = leaf.measured
        if measured.budgeting.slice_length is None:
            tallies.append({at: measured.judged(held.tally) for at, held in since.items()})
            continue
        slices = count_slices_between(connection, leaf.asked, first_at=its.first_at, now=now)
        summed = list(accumulate(reversed(slices)))[::-1]
        tallies.append(dict(zip(leaf.asked.edges, summed, strict=False)))
    return tallies


@dataclass(frozen=True, slots=True)
class _Evidence:
    leaf: _Leaf
    counted: Mapping[datetime, Counted]
    traffic: Traffic
    waiting: Mapping[timedelta, int]
    tallies: Mapping[datetime, Tally]


def _read(evidence: _Evidence, slices: Slices, now: datetime) -> SloReading:
    leaf, traffic = evidence.leaf, evidence.traffic
    is_freshness = leaf.measured.indicator.kind == "freshness"  # its silence is counted, not blind
    excluded = leaf.measured.excluded
    missed = traffic.missed(now, excluded)
    windows = {}
    covered = traffic.coverage(slices, excluded)
    for length, (observed, expected) in zip(leaf.slo.window_lengths, covered, strict=True):
        start = leaf.starts[length]
        counted = evidence.counted[start]
        tally = evidence.tallies[start]
        unscored = counted.failed_n + evidence.waiting.get(length, 0)
        if counted.tally.n:  # of time slices as many as of the scores in them
            unscored = round(unscored * tally.n / counted.tally.n)
        windows[length] = WindowReading(
            tally=tally,
            unscored=unscored,
            observed_slices=0 if is_freshness else observed,
            expected_slices=0 if is_freshness else expected,
            newest_at=now if is_freshness and traffic.newest_at else traffic.newest_at,
            missed_calls=0.0 if is_freshness else missed,
        )
    return SloReading(windows, evidence.tallies[leaf.budget_start])


def _combined(parts: Sequence[SloReading], weights: Sequence[float]) -> SloReading:
    windows = {}
    for length in parts[0].windows:
        readings = [part.windows[length] for part in parts]
        newest = [reading.newest_at for reading in readings if reading.newest_at is not None]
        windows[length] = WindowReading(
            tally=weigh_strata([reading.tally for reading in readings], weights),
            unscored=sum(reading.unscored for reading in readings),
            observed_slices=sum(reading.observed_slices for reading in readings),
            expected_slices=sum(reading.expected_slices for reading in readings),
            # Blind in one part is blind.
            newest_at=min(newest) if len(newest) == len(readings) else None,
            missed_calls=max(reading.missed_calls for reading in readings),
        )
    return SloReading(windows, weigh_strata([part.budget for part in parts], weights))


def _read_waiting(
    connection: Connection, leaves: Sequence[_Leaf], now: datetime
) -> list[dict[timedelta, int]]:
    """By window: samples in whole jobs that reach into it and wait for their score."""
    rows = [
        (number, round(length / _MINUTE), start, leaf.measured.app_id, *_where(leaf.measured))
        for number, leaf in enumerate(leaves)
        if leaf.measured.is_quality and not leaf.measured.is_reported
        for length, start in leaf.starts.items()
    ]
    waiting: list[dict[timedelta, int]] = [{} for _ in leaves]
    if not rows:
        return waiting
    asked = unnested(
        "asked",
        number=("numbers", Integer),
        minutes=("lengths", Integer),
        start=("starts", Instant),
        app_id=("app_ids", BigInteger),
        environment=("environments", Text),
        task=("tasks", Text),
    )
    jobs = scoring_jobs.c
    query = (
        select(asked.c.number, asked.c.minutes, func.sum(jobs.sample_count))
        .join(
            scoring_jobs,
            and_(
                *(jobs[name] == asked.c[name] for name in ("app_id", "environment", "task")),
                jobs.last_called_at >= asked.c.start,
                jobs.first_called_at < now,
            ),
        )
        .group_by(asked.c.number, asked.c.minutes)
    )
    names = ("numbers", "lengths", "starts", "app_ids", "environments", "tasks")
    parameters = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    for number, minutes, samples in connection.execute(query, parameters):
        waiting[number][minutes * _MINUTE] = int(samples)
    return waiting


def _where(measured: Measured) -> tuple[str, str]:
    return measured.indicator.environment, measured.indicator.task
