"""Stored samples as people read them: page by page, by the primary key, within bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    func,
    or_,
    select,
    text,
)
from sqlalchemy import tuple_ as row_of

from service.domain.calls import NewSample, SampleKey
from service.store.tables import samples

PAGE_BYTES = 2_000_000
"""Of texts in one page. A single sample may be larger: it has a page of its own."""
EXAMINED_AT_MOST = 50_000
"""Samples that one page looks at for those that it is to hold, so that a rare one costs no page
more than a moment."""

Order = Literal["asc", "desc"]
_TEXTS = ("prompt", "response", "reference")
_KEY = (samples.c.called_at, samples.c.sample_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which samples of an app: those of calls in [since, until) that match; None is any."""

    since: datetime | None = None
    until: datetime | None = None
    sample_id: UUID | None = None
    environment: str | None = None
    task: str | None = None
    release: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    outcome: str | None = None
    session_id: str | None = None
    user_id: str | None = None

    @property
    def matches(self) -> dict[str, str]:
        """What its columns, without its key, must be."""
        of_key = ("since", "until", "sample_id")
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value for name, value in named.items() if name not in of_key and value is not None
        }


class StoredSample(NamedTuple):
    """A sample, and when it came."""

    call: NewSample
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StoredScore:
    """What one evaluator said of a sample; `value` is None where it failed."""

    evaluator: str
    evaluator_version: str
    value: float | None
    passed: bool | None
    label: str
    explanation: str
    weight: float
    scored_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Samples in order, possibly none; `ends_at` is where to go on, None at the end of all."""

    samples: tuple[StoredSample, ...]
    ends_at: SampleKey | None


_COLUMNS = tuple(samples.c[name] for name in (*NewSample._fields, "received_at"))
_SCORE_COLUMNS = tuple(each.name for each in fields(StoredScore))


def read_page(
    connection: Connection,
    app_id: int,
    wanted: Wanted,
    *,
    order: Order,
    limit: int,
    after: SampleKey | None = None,
) -> Page:
    """The next samples in the order of their calls: at most `limit`, and at most PAGE_BYTES."""
    stretch = _stretch(app_id, wanted, order, after)
    edge = _edge(connection, stretch, order) if wanted.matches else None
    if edge is not None:
        stretch = [*stretch, *_until(edge, order)]
    matches = [samples.c[name] == value for name, value in wanted.matches.items()]
    rows = connection.execute(_page(and_(*stretch, *matches), order, limit)).all()
    found = tuple(StoredSample(NewSample(*call), at) for *call, at, _ in rows)
    has_more = bool(rows) and rows[0].total > len(rows)
    return Page(found, found[-1].call.key if has_more else edge)


def read_scores(
    connection: Connection, app_id: int, found: Sequence[StoredSample]
) -> dict[SampleKey, list[StoredScore]]:
    """The scores of these samples, in one query; a sample without any is not in it."""
    if not found:
        return {}
    called_ats, ids = zip(*(sample.call.key for sample in found), strict=True)
    rows = connection.execute(
        text(
            f"SELECT s.called_at, s.sample_id, {', '.join(f's.{name}' for name in _SCORE_COLUMNS)}"
            " FROM unnest(CAST(:called_ats AS timestamptz[]), CAST(:ids AS uuid[]))"
            " AS k (called_at, sample_id) JOIN scores s"
            " ON s.app_id = :app_id AND s.called_at = k.called_at AND s.sample_id = k.sample_id"
            " WHERE s.called_at BETWEEN :first AND :last"  # lets the planner skip partitions
            " ORDER BY s.called_at, s.sample_id, s.evaluator, s.evaluator_version"
        ),
        {
            "app_id": app_id,
            "called_ats": list(called_ats),
            "ids": list(ids),
            "first": min(called_ats),
            "last": max(called_ats),
        },
    )
    scores: dict[SampleKey, list[StoredScore]] = {}
    for called_at, sample_id, *score in rows:
        scores.setdefault((called_at, sample_id), []).append(StoredScore(*score))
    return scores


def _page(condition: ColumnElement[bool], order: Order, limit: int) -> Select[Any]:
    """One row more than the limit is read, to know whether there is more; bodies that do not fit
    are not: the length of a text is known without reading the text.
    """
    sizes = [func.coalesce(func.octet_length(samples.c[name]), 0) for name in _TEXTS]
    size = sum(sizes, start=func.octet_length(cast(samples.c.attributes, Text)))
    ahead = (
        select(*_COLUMNS, size.label("size"))
        .where(condition)
        .order_by(*_ordered(samples, order))
        .limit(limit + 1)
        .subquery("ahead")
    )
    place = _ordered(ahead, order)
    counted = select(
        *ahead.c,
        func.row_number().over(order_by=place).label("number"),
        func.sum(ahead.c.size).over(order_by=place, rows=(None, 0)).label("bytes"),
        func.count().over().label("total"),
    ).subquery("counted")
    return (
        select(*(counted.c[column.name] for column in _COLUMNS), counted.c.total)
        .where(
            counted.c.number <= limit,
            or_(counted.c.number == 1, counted.c.bytes <= PAGE_BYTES),
        )
        .order_by(*_ordered(counted, order))
    )


def _stretch(
    app_id: int, wanted: Wanted, order: Order, after: SampleKey | None
) -> list[ColumnElement[bool]]:
    """The part of the primary key that is wanted; the times let the planner skip partitions."""
    stretch = [samples.c.app_id == app_id]
    if wanted.since is not None:
        stretch.append(samples.c.called_at >= wanted.since)
    if wanted.until is not None:
        stretch.append(samples.c.called_at < wanted.until)
    if wanted.sample_id is not None:
        stretch.append(samples.c.sample_id == wanted.sample_id)
    if after is not None:
        if order == "asc":
            stretch += [samples.c.called_at >= after[0], row_of(*_KEY) > row_of(*after)]
        else:
            stretch += [samples.c.called_at <= after[0], row_of(*_KEY) < row_of(*after)]
    return stretch


def _until(edge: SampleKey, order: Order) -> list[ColumnElement[bool]]:
    if order == "asc":
        return [samples.c.called_at <= edge[0], row_of(*_KEY) <= row_of(*edge)]
    return [samples.c.called_at >= edge[0], row_of(*_KEY) >= row_of(*edge)]


def _edge(
    connection: Connection, stretch: list[ColumnElement[bool]], order: Order
) -> SampleKey | None:
    """The last sample that a page may look at, from the index alone; None where all is near."""
    query = select(*_KEY).where(*stretch).order_by(*_ordered(samples, order)).limit(1)
    row = connection.execute(query.offset(EXAMINED_AT_MOST - 1)).one_or_none()
    return (row.called_at, row.sample_id) if row else None


def _ordered(rows: FromClause, order: Order) -> list[ColumnElement[Any]]:
    return [getattr(rows.c[column.name], order)() for column in _KEY]
