"""Removing what is stored of one user of an app.

No index leads to a user, because every sample would pay for it. So the app's rows are read through,
stretch by stretch, each in a transaction of its own. Scores keep their numbers, from which the
counts of SLIs can be rebuilt; what they say in words of the user's samples goes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, Connection, Delete, text

from service.domain.calls import SampleKey
from service.domain.erasure import Forgotten
from service.store.awaited_scores import end_waiting_for
from service.store.stretches import next_stretch, within
from service.store.tables import open_sessions, samples, scoring_jobs, sessions, signals

_AT_ONCE = 20_000
"""Rows that are looked at in one transaction."""


class Step(NamedTuple):
    """What one transaction removed, and the time up to which it has looked."""

    forgotten: Forgotten
    until: datetime


def erase_open_sessions(connection: Connection, app_id: int, user_id: str) -> Forgotten:
    """Remove the sessions of the user that calls may still come to: all at once, they are few."""
    found = open_sessions.delete().where(
        open_sessions.c.app_id == app_id, open_sessions.c.user_id == user_id
    )
    return Forgotten(sessions=connection.execute(found).rowcount)


def erase_sessions(
    connection: Connection, app_id: int, user_id: str, *, after: datetime | None, before: datetime
) -> Step | None:
    """Remove the user's sessions from the next stretch; None where all are read."""
    found = _in_next(connection, sessions.c.ended_at, app_id, user_id, after, before)
    if found is None:
        return None
    delete, until = found
    return Step(Forgotten(sessions=connection.execute(delete).rowcount), until)


def erase_signals(
    connection: Connection, app_id: int, user_id: str, *, after: datetime | None, before: datetime
) -> Step | None:
    """Remove the user's signals from the next stretch; None where all are read."""
    found = _in_next(connection, signals.c.signalled_at, app_id, user_id, after, before)
    if found is None:
        return None
    delete, until = found
    return Step(Forgotten(signals=connection.execute(delete).rowcount), until)


def erase_samples(
    connection: Connection, app_id: int, user_id: str, *, after: datetime | None, before: datetime
) -> Step | None:
    """Remove the user's samples from the next stretch, with their signals and the words of their
    scores; None where all are read.
    """
    found = _in_next(connection, samples.c.called_at, app_id, user_id, after, before)
    if found is None:
        return None
    delete, until = found
    rows = connection.execute(delete.returning(samples.c.called_at, samples.c.sample_id))
    keys: list[SampleKey] = [(row.called_at, row.sample_id) for row in rows]
    if not keys:
        return Step(Forgotten(), until)
    sample_ids = [sample_id for _, sample_id in keys]
    # First: a worker that has read these samples already either has committed its scores by now,
    # and they are found below, or has lost its job, and reads the samples again. So with scores
    # that the app has reported and that waited for the samples.
    _take_jobs_back(connection, app_id, sample_ids)
    end_waiting_for(connection, app_id, sample_ids)
    blanked = _blank_scores(connection, app_id, keys)
    of_samples = signals.delete().where(
        signals.c.app_id == app_id, signals.c.sample_id.in_(sample_ids)
    )
    return Step(Forgotten(len(keys), 0, connection.execute(of_samples).rowcount, blanked), until)


def _in_next(
    connection: Connection,
    time: Column[Any],
    app_id: int,
    user_id: str,
    after: datetime | None,
    before: datetime,
) -> tuple[Delete, datetime] | None:
    stretch = next_stretch(connection, time, app_id, after=after, before=before, rows=_AT_ONCE)
    if stretch is None:
        return None
    delete = time.table.delete().where(
        within(time, app_id, stretch), time.table.c.user_id == user_id
    )
    return delete, stretch.last


def _take_jobs_back(connection: Connection, app_id: int, sample_ids: Sequence[UUID]) -> None:
    connection.execute(
        scoring_jobs.update()
        .where(
            scoring_jobs.c.app_id == app_id,
            scoring_jobs.c.lease_token.is_not(None),
            scoring_jobs.c.sample_ids.bool_op("&&")(list(sample_ids)),
        )
        .values(lease_token=None, leased_until=None)
    )


def _blank_scores(connection: Connection, app_id: int, keys: Sequence[SampleKey]) -> int:
    """The label stays: it is a word of the evaluator's own that answers are counted by."""
    times = [called_at for called_at, _ in keys]
    return connection.execute(
        text(
            "UPDATE scores s SET explanation = ''"
            " FROM unnest(CAST(:times AS timestamptz[]), CAST(:ids AS uuid[]))"
            " AS k (called_at, sample_id)"
            " WHERE s.app_id = :app_id AND s.called_at = k.called_at"
            " AND s.sample_id = k.sample_id AND s.explanation <> ''"
            " AND s.called_at BETWEEN :first AND :last"  # lets the planner skip partitions
        ),
        {
            "app_id": app_id,
            "times": times,
            "ids": [sample_id for _, sample_id in keys],
            "first": min(times),
            "last": max(times),
        },
    ).rowcount
