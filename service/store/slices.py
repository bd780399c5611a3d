"""Time slices of one SLO: which of them were good, as counts of slices."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, not_, select

from service.domain.slice_budgets import SliceSums, count_slices
from service.domain.slis import Tally
from service.store.measured import sums_of
from service.store.totals import HOUR
from service.store.window_sums import Asked

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def count_slices_between(
    connection: Connection, asked: Asked, *, first_at: datetime | None, now: datetime
) -> list[Tally]:
    """Of each segment between two edges: the slices that begin in it and are over.

    first_at: since when there are calls; slices before that are not missed.
    """
    measured = asked.measured
    length = measured.budgeting.slice_length
    assert length is not None  # noqa: S101 - only SLOs in time slices come here
    sums = _read(connection, asked, length)
    over = (now - _EPOCH) // length * length + _EPOCH
    tallies = []
    for start, end in pairwise(asked.edges):
        begin = -(-(start - _EPOCH) // length) * length + _EPOCH
        inside = [each for each in sums if begin <= each.at < min(end, over)]
        if measured.indicator.kind == "freshness" and first_at is not None:
            inside = _with_empty(inside, max(begin, first_at), min(end, over), length)
        tallies.append(count_slices(measured.indicator, measured.budgeting, inside))
    return tallies


def _with_empty(
    held: Sequence[SliceSums], begin: datetime, end: datetime, length: timedelta
) -> list[SliceSums]:
    begin = -(-(begin - _EPOCH) // length) * length + _EPOCH
    full = {each.at for each in held}
    count = max(0, -(-(end - begin) // length))
    slices = (begin + number * length for number in range(count))
    return [*held, *(SliceSums(at, Tally.ZERO, 0.0) for at in slices if at not in full)]


def _read(connection: Connection, asked: Asked, length: timedelta) -> list[SliceSums]:
    measured = asked.measured
    by_hour = length % _HOUR == timedelta(0)
    table = measured.totals if by_hour else measured.table
    time = table.c.starts_at if by_hour else table.c.minute
    at = func.date_bin(literal(length), time, literal(_EPOCH))
    bucket = None if measured.bucket is None else literal(measured.bucket)
    cost = literal(0.0) if measured.is_quality else func.sum(table.c.cost_usd)
    sums = [func.coalesce(each, 0) for each in sums_of(measured.source, table, bucket)]
    where: list[ColumnElement[Any]] = [
        *measured.rows_of(table),
        time >= asked.edges[0],
        time < asked.edges[-1],
        # A slice that is excluded in part says nothing of the whole.
        *(not_((at < end) & (at + length > start)) for start, end in measured.excluded),
    ]
    if by_hour:
        where.append(table.c.span == HOUR)
    rows = connection.execute(select(at, cost, *sums).where(*where).group_by(at).order_by(at))
    return [
        SliceSums(start, measured.judged(measured.tally(held)), float(spent))
        for start, spent, *held in rows
    ]
