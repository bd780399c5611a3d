"""Counts that are made of others: which rows a table should hold, and does hold, in a span."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    SmallInteger,
    Table,
    and_,
    bindparam,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from service.domain.latency import BUCKETS
from service.store.tables import (
    call_counts,
    call_totals,
    samples,
    scores,
    sli_minutes,
    sli_totals,
)
from service.store.tables.base import Instant
from service.store.totals import DAY, HOUR

STREAM = ("environment", "task", "evaluator", "evaluator_version", "minute")
_OF_SAMPLE = ("release", "model", "prompt_version")


class Span(NamedTuple):
    """The counts of an app in [start, end), which are whole days."""

    app_id: int
    start: datetime
    end: datetime


def of_span(time: Column[Any]) -> ColumnElement[bool]:
    """The rows of a table whose time this is; the fields of a `Span` are its parameters."""
    start, end = bindparam("start", type_=Instant), bindparam("end", type_=Instant)
    is_of_app = time.table.c.app_id == bindparam("app_id", type_=BigInteger)
    return and_(is_of_app, time >= start, time < end)


@dataclass(frozen=True, slots=True)
class Derived:
    """A table of counts, and the rows that it should hold and does hold in a span."""

    table: Table
    rows: Callable[[], tuple[CTE, CTE]]


def _sli_rows() -> tuple[CTE, CTE]:
    """Counts of minutes by their scores; without those that cannot be made anew."""
    grouped = score_sums()
    torn = torn_minutes(grouped)
    fresh = select(grouped).where(not_(is_torn(grouped, torn))).cte("fresh")
    table = sli_minutes
    stored = select(table).where(of_span(table.c.minute), not_(is_torn(table, torn)))
    return fresh, stored.cte("stored")


def score_sums() -> CTE:
    """As `domain/scores.count_by_slice` has them; no release where the sample is gone."""
    of, sample = scores.c, samples.c
    key = ("app_id", "called_at", "sample_id")
    same = and_(of_span(sample.called_at), *(sample[name] == of[name] for name in key))
    minute = func.date_trunc("minute", of.called_at, "UTC").label("minute")
    by = [of.app_id, *(of[name] for name in STREAM[:-1]), minute]
    by += [sample[name] for name in _OF_SAMPLE]
    counts = and_(of.value.is_not(None), of.passed.is_not(None))
    w, x = of.weight, of.value

    def added(term: ColumnElement[Any], where: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.coalesce(func.sum(term).filter(where), 0.0)

    bad = and_(counts, not_(of.passed))
    sums = {
        "failed_n": func.count().filter(of.value.is_(None)),
        "n": func.count().filter(counts),
        "w": added(w, counts),
        "w2": added(w * w, counts),
        "wx": added(w * x, counts),
        "wx2": added(w * x * x, counts),
        "bad_n": func.count().filter(bad),
        "bad_w": added(w, bad),
        "bad_w2": added(w * w, bad),
    }
    return (
        select(*by, *(each.label(name) for name, each in sums.items()))
        .select_from(scores.outerjoin(samples, same))
        .where(of_span(of.called_at), or_(of.value.is_(None), of.passed.is_not(None)))
        .group_by(*by)
        .cte("grouped")
    )


def torn_minutes(grouped: CTE) -> CTE:
    columns = (grouped.c[name] for name in STREAM)
    return select(*columns).where(grouped.c.release.is_(None)).distinct().cte("torn")


def is_torn(rows: Any, torn: CTE) -> ColumnElement[bool]:
    return tuple_(*(rows.c[name] for name in STREAM)).in_(
        select(*(torn.c[name] for name in STREAM))
    )


def _totals_of(table: Table, totals: Table) -> Derived:
    def rows() -> tuple[CTE, CTE]:
        fresh = union_all(*(_totals(table, totals, hours) for hours in (HOUR, DAY)))
        stored = select(totals).where(of_span(totals.c.starts_at))
        return fresh.cte("fresh"), stored.cte("stored")

    return Derived(totals, rows)


def _totals(table: Table, totals: Table, hours: int) -> Select[Any]:
    unit = "hour" if hours == HOUR else "day"
    starts_at = func.date_trunc(unit, table.c.minute, "UTC")
    of_hour = cast(func.extract("minute", func.timezone("UTC", table.c.minute)), Integer)
    seen = func.bit_or(cast(literal(1), BigInteger).bool_op("<<")(of_hour))
    made: dict[str, ColumnElement[Any]] = {
        "span": cast(literal(hours), SmallInteger),
        "starts_at": starts_at,
        "minutes_seen": cast(seen if hours == HOUR else literal(0), BigInteger),
    }
    by = [column for column in table.primary_key.columns if column.name != "minute"]
    made |= {column.name: column for column in by}
    for column in table.columns:
        if not column.primary_key:
            made[column.name] = _sum(column)
    columns = (made[column.name].label(column.name) for column in totals.columns)
    return select(*columns).where(of_span(table.c.minute)).group_by(*by, starts_at)


def _sum(column: Any) -> ColumnElement[Any]:
    if not isinstance(column.type, ARRAY):
        return cast(func.sum(column), column.type)
    # Bucket by bucket, which is faster than to take the arrays apart.
    buckets = (func.coalesce(func.sum(column[n + 1]), 0) for n in range(BUCKETS))
    summed = cast(array(list(buckets)), ARRAY(BigInteger))
    return func.trim_array(summed, BUCKETS - func.max(func.cardinality(column)))


SLI_MINUTES = Derived(sli_minutes, _sli_rows)
SLI_TOTALS = _totals_of(sli_minutes, sli_totals)
CALL_TOTALS = _totals_of(call_counts, call_totals)
