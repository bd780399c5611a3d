"""What an SLO on calls has counted, hour by hour."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from service.domain.indicators import Indicator
from service.domain.latency import EDGES_MS
from service.domain.slis import Tally
from service.store.tables import call_totals
from service.store.totals import HOUR


def read_hourly(
    connection: Connection, app_id: int, indicator: Indicator, start: datetime, end: datetime
) -> list[tuple[datetime, Tally]]:
    """The whole hours in [start, end) with calls of an availability or latency SLO, in order.

    All hours are read in one go, also those of long ago: late counts belong to their hour.
    """
    totals, filters = call_totals.c, indicator.filters
    wanted = {name: getattr(filters, name) for name in ("release", "model", "prompt_version")}
    rows = connection.execute(
        select(totals.starts_at, *_sums(indicator))
        .where(
            totals.app_id == app_id,
            totals.environment == indicator.environment,
            totals.task == indicator.task,
            totals.span == HOUR,
            totals.starts_at >= start,
            totals.starts_at < end,
            *(totals[name] == value for name, value in wanted.items() if value is not None),
        )
        .group_by(totals.starts_at)
        .order_by(totals.starts_at)
    )
    return [(row.starts_at, _tally(row)) for row in rows if row.total]


def _tally(row: Any) -> Tally:
    w2, bad_w2 = float(row.w2), float(row.bad_w2 or 0)
    return Tally.from_counts(int(row.total), int(row.bad or 0), w2=w2, bad_w2=bad_w2)


def _sums(indicator: Indicator) -> list[ColumnElement[Any]]:
    totals = call_totals.c
    names = ("total", "w2", "bad", "bad_w2")
    if indicator.limit is None:
        is_bad = totals.outcome == "error"
        of_all = [func.sum(totals[name]) for name in ("calls", "squares")]
        sums = [*of_all, *(each.filter(is_bad) for each in of_all)]
        return [each.label(name) for each, name in zip(sums, names, strict=True)]
    buckets = totals.latency_counts
    timed = func.sum_counts(buckets, 1)
    slow = func.sum_counts(buckets, EDGES_MS.index(int(indicator.limit)) + 2)
    # How many calls each one that was seen stands for is not known by bucket.
    share = totals.squares / func.nullif(totals.calls, 0)
    parts = (timed, timed * share, slow, slow * share)
    return [func.sum(each).label(name) for each, name in zip(parts, names, strict=True)]
