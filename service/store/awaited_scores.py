"""Reported scores whose calls have not come yet: exporters send events and spans separately."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from service.domain.scores import ReportedScore
from service.store.tables import awaited_scores

_FIELDS = ("sample_id", "evaluator", "value", "label", "explanation")


def await_calls(
    connection: Connection, app_id: int, early: Iterable[ReportedScore], *, now: datetime
) -> None:
    """Keep scores until their calls come; of one evaluator the first on a call."""
    rows = {
        (score.sample_id, score.evaluator): {
            "app_id": app_id,
            **{name: getattr(score, name) for name in _FIELDS},
            "received_at": now,
        }
        for score in early
    }
    if rows:
        ordered = [rows[key] for key in sorted(rows)]
        connection.execute(insert(awaited_scores).on_conflict_do_nothing(), ordered)


def list_awaiting(
    connection: Connection, *, since: datetime, at_most: int
) -> dict[int, list[ReportedScore]]:
    """What has been waiting since then, the newest first, by app."""
    query = (
        select(awaited_scores.c.app_id, *(awaited_scores.c[name] for name in _FIELDS))
        .where(awaited_scores.c.received_at >= since)
        .order_by(awaited_scores.c.received_at.desc())
        .limit(at_most)
    )
    awaiting = defaultdict(list)
    for app_id, *fields in connection.execute(query):
        awaiting[app_id].append(ReportedScore(*fields))
    return dict(awaiting)


def end_waiting(
    connection: Connection, app_id: int, scores: Sequence[ReportedScore]
) -> list[ReportedScore]:
    """Take those whose calls have come; one that is taken, or removed, already is left out."""
    key = tuple_(awaited_scores.c.sample_id, awaited_scores.c.evaluator)
    taken = connection.execute(
        awaited_scores.delete()
        .where(
            awaited_scores.c.app_id == app_id,
            key.in_([(score.sample_id, score.evaluator) for score in scores]),
        )
        .returning(awaited_scores.c.sample_id, awaited_scores.c.evaluator)
    )
    keys = {(row.sample_id, row.evaluator) for row in taken}
    return [score for score in scores if (score.sample_id, score.evaluator) in keys]


def end_waiting_for(connection: Connection, app_id: int, sample_ids: Sequence[UUID]) -> None:
    """Remove what waits for these calls, which are removed themselves."""
    connection.execute(
        awaited_scores.delete().where(
            awaited_scores.c.app_id == app_id, awaited_scores.c.sample_id.in_(sample_ids)
        )
    )


def give_up_waiting(connection: Connection, *, before: datetime) -> int:
    """Drop what has been waiting since before then; returns how many these were."""
    return connection.execute(
        awaited_scores.delete().where(awaited_scores.c.received_at < before)
    ).rowcount
