"""Scores: written once, with the end of their job; read to build drift references."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from service.domain.scores import NewScore, Stream
from service.store.copying import copy_rows
from service.store.tables import scores

_COLUMNS = (
    *("app_id", "called_at", "sample_id", "environment", "task", "evaluator", "evaluator_version"),
    *("value", "passed", "label", "explanation", "weight", "scored_at"),
)


def insert_scores(
    connection: Connection, app_id: int, new: Sequence[NewScore], *, now: datetime
) -> None:
    """Write scores; a score that exists already is an error, which undoes the transaction."""
    rows = (
        (
            *(app_id, score.called_at, score.sample_id),
            *(score.slice.environment, score.slice.task),
            *(score.slice.evaluator, score.slice.evaluator_version),
            *(score.value, score.passed, score.label, score.explanation, score.weight, now),
        )
        for score in new
    )
    copy_rows(connection, scores, _COLUMNS, rows)


def _of(stream: Stream) -> list[ColumnElement[bool]]:
    matches = [scores.c[name] == getattr(stream, name) for name in Stream._fields]
    return [*matches, scores.c.value.is_not(None)]


def read_call_times(
    connection: Connection, stream: Stream, *, at_most: int, since: datetime | None = None
) -> list[datetime]:
    """When the stream's first scored calls, or the first ones since then, happened, in order."""
    query = select(scores.c.called_at).where(*_of(stream)).order_by(scores.c.called_at)
    if since is not None:
        query = query.where(scores.c.called_at >= since)
    return list(connection.scalars(query.limit(at_most)))


def read_values(
    connection: Connection, stream: Stream, *, start: datetime, end: datetime | None = None
) -> list[tuple[datetime, float, float]]:
    """Time, value and weight of the stream's scores of calls in [start, end)."""
    query = select(scores.c.called_at, scores.c.value, scores.c.weight).where(
        *_of(stream), scores.c.called_at >= start
    )
    if end is not None:
        query = query.where(scores.c.called_at < end)
    return [(row.called_at, row.value, row.weight) for row in connection.execute(query)]
