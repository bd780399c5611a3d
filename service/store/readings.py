"""What the counts say of an SLO's windows: a handful of rows read, whatever the traffic."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, select

from service.domain.burn_rate import WindowReading
from service.domain.slis import Tally
from service.domain.slos import Indicator
from service.domain.time_slices import Slicing, cut_window
from service.store.sli_minutes import SUMS
from service.store.tables import call_counts, scoring_jobs, sli_minutes

_TRAFFIC_PERIOD = timedelta(days=7)
"""What counts as the usual traffic: a week holds every hour and every weekday once."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What an SLO's indicator is counted from."""

    app_id: int
    indicator: Indicator
    evaluator_version: str | None
    """Of a quality indicator: the version in force; scores of others are not mixed in."""


def read_windows(
    connection: Connection, measured: Measured, lengths: Iterable[timedelta], *, now: datetime
) -> dict[timedelta, WindowReading]:
    """A reading of each window that ends at `now`."""
    calls = _count_calls(connection, measured, now - _TRAFFIC_PERIOD, now)
    readings = {}
    for length in lengths:
        start = now - length
        slicing = cut_window(length, end=now, calls=calls, per=_TRAFFIC_PERIOD)
        first, newest = _first_and_newest(connection, measured, start, now)
        readings[length] = WindowReading(
            tally=read_tally(connection, measured, start, now),
            pending=_pending(connection, measured, start, now),
            observed_slices=_observed(connection, measured, slicing) if slicing else 0,
            expected_slices=slicing.expected(first) if slicing else 0,
            newest_at=newest,
        )
    return readings


def read_tally(connection: Connection, measured: Measured, start: datetime, end: datetime) -> Tally:
    """The sums over the minutes in (start, end]."""
    if measured.indicator.kind == "quality":
        sums = [func.coalesce(func.sum(sli_minutes.c[name]), 0) for name in SUMS]
        return _tally(connection.execute(select(*sums).where(*_scored(measured, start, end))).one())
    bad = call_counts.c.outcome == "error"
    total, failed = connection.execute(
        select(
            func.coalesce(func.sum(call_counts.c.calls), 0),
            func.coalesce(func.sum(call_counts.c.calls).filter(bad), 0),
        ).where(*_called(measured, start, end))
    ).one()
    return Tally.from_counts(int(total), int(failed))


def read_hourly_tallies(
    connection: Connection, measured: Measured, start: datetime, end: datetime
) -> list[tuple[datetime, Tally]]:
    """The sums of each hour in (start, end] that has any, in order: what a chart shows."""
    if measured.indicator.kind == "quality":
        hour = func.date_trunc("hour", sli_minutes.c.minute)
        sums = [func.sum(sli_minutes.c[name]) for name in SUMS]
        rows = connection.execute(
            select(hour, *sums).where(*_scored(measured, start, end)).group_by(hour).order_by(hour)
        )
        return [(at, _tally(sums)) for at, *sums in rows]
    hour = func.date_trunc("hour", call_counts.c.minute)
    bad = func.coalesce(func.sum(call_counts.c.calls).filter(call_counts.c.outcome == "error"), 0)
    rows = connection.execute(
        select(hour, func.sum(call_counts.c.calls), bad)
        .where(*_called(measured, start, end))
        .group_by(hour)
        .order_by(hour)
    )
    return [(at, Tally.from_counts(int(total), int(failed))) for at, total, failed in rows]


def _tally(sums: Sequence[Any]) -> Tally:
    named = dict(zip(SUMS, sums, strict=True))
    counts = {name: int(named[name]) for name in ("n", "bad_n")}  # numeric in the database's sum
    return Tally(**named | counts)


def _scored(measured: Measured, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [
        sli_minutes.c.app_id == measured.app_id,
        sli_minutes.c.minute > start,
        sli_minutes.c.minute <= end,
        sli_minutes.c.environment == measured.indicator.environment,
        sli_minutes.c.task == measured.indicator.task,
        sli_minutes.c.evaluator == measured.indicator.evaluator,
        sli_minutes.c.evaluator_version == measured.evaluator_version,
    ]


def _called(measured: Measured, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [
        call_counts.c.app_id == measured.app_id,
        call_counts.c.minute > start,
        call_counts.c.minute <= end,
        call_counts.c.environment == measured.indicator.environment,
        call_counts.c.task == measured.indicator.task,
    ]


def _count_calls(connection: Connection, measured: Measured, start: datetime, end: datetime) -> int:
    query = select(func.coalesce(func.sum(call_counts.c.calls), 0))
    return int(connection.scalar(query.where(*_called(measured, start, end))) or 0)


def _first_and_newest(
    connection: Connection, measured: Measured, start: datetime, end: datetime
) -> tuple[datetime | None, datetime | None]:
    """The first call that can be known of, from a week before the window on; its newest call."""
    newest = func.max(call_counts.c.minute).filter(call_counts.c.minute > start)
    row = connection.execute(
        select(func.min(call_counts.c.minute), newest).where(
            *_called(measured, start - _TRAFFIC_PERIOD, end)
        )
    ).one()
    return row[0], row[1]


def _observed(connection: Connection, measured: Measured, slicing: Slicing) -> int:
    age = func.extract("epoch", literal(slicing.end) - call_counts.c.minute)
    number = func.floor(age / slicing.length.total_seconds())
    start = slicing.end - slicing.length * slicing.count
    query = select(func.count(number.distinct())).where(*_called(measured, start, slicing.end))
    return int(connection.scalar(query) or 0)


def _pending(connection: Connection, measured: Measured, start: datetime, end: datetime) -> int:
    """Samples that wait to be scored, by whole jobs: those that reach into the window."""
    if measured.indicator.kind == "availability":
        return 0
    query = select(func.coalesce(func.sum(scoring_jobs.c.sample_count), 0)).where(
        scoring_jobs.c.app_id == measured.app_id,
        scoring_jobs.c.task == measured.indicator.task,
        scoring_jobs.c.environment == measured.indicator.environment,
        scoring_jobs.c.last_called_at > start,
        scoring_jobs.c.first_called_at <= end,
    )
    return int(connection.scalar(query) or 0)
