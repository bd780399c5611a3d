"""Removing what is stored of one user of an app.

No index leads to a user, because every sample would pay for it. So the app's rows are read through,
stretch by stretch, each in a transaction of its own. Scores keep their numbers, from which the
counts of SLIs can be rebuilt; what they say in words of the user's samples goes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class EraseStretch:
    """Removes a user's rows of one table, which is read through in the order of `time`."""

    time: Column[Any]
    remove: Callable[[Connection, int, Delete], Forgotten]
    """Runs the statement that removes them, and what has to go along with them."""

    def __call__(
        self,
        connection: Connection,
        app_id: int,
        user_id: str,
        *,
        after: datetime | None,
        before: datetime,
    ) -> Step | None:
        """Remove them from the next stretch; None where all are read."""
        stretch = next_stretch(
            connection, self.time, app_id, after=after, before=before, rows=_AT_ONCE
        )
        if stretch is None:
            return None
        table = self.time.table
        of_user = table.delete().where(
            within(self.time, app_id, stretch), table.c.user_id == user_id
        )
        return Step(self.remove(connection, app_id, of_user), stretch.last)


def _remove_sessions(connection: Connection, _app_id: int, of_user: Delete) -> Forgotten:
    return Forgotten(sessions=connection.execute(of_user).rowcount)


def _remove_signals(connection: Connection, _app_id: int, of_user: Delete) -> Forgotten:
    return Forgotten(signals=connection.execute(of_user).rowcount)


def _remove_samples(connection: Connection, app_id: int, of_user: Delete) -> Forgotten:
    """With their signals, and the words of their scores."""
    rows = connection.execute(of_user.returning(samples.c.called_at, samples.c.sample_id))
    keys: list[SampleKey] = [(row.called_at, row.sample_id) for row in rows]
    if not keys:
        return Forgotten()
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
    return Forgotten(len(keys), 0, connection.execute(of_samples).rowcount, blanked)


erase_sessions = EraseStretch(sessions.c.ended_at, _remove_sessions)
erase_samples = EraseStretch(samples.c.called_at, _remove_samples)
erase_signals = EraseStretch(signals.c.signalled_at, _remove_signals)


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
