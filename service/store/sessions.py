"""Sessions: open while calls come, closed for good after a pause."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select, text
from sqlalchemy.dialects.postgresql import insert

from service.domain.calls import NewSample
from service.domain.sessions import Abandonments, Ending, Session, SessionKey, gather_sessions
from service.domain.slis import Tally
from service.store.tables import open_sessions, sessions

_KEY = ("app_id", "environment", "session_id")
_COLUMNS = (
    *("environment", "session_id", "task", "user_id", "started_at", "last_called_at", "calls"),
    *("keep_probability", "last_sample_id", "last_outcome"),
)

# What is last follows the latest call, whichever comes in last.
_IS_LATER = (
    "(excluded.last_called_at, excluded.last_sample_id) > (old.last_called_at, old.last_sample_id)"
)
_TOUCH = text(
    f"""
    INSERT INTO open_sessions AS old (app_id, touched_at, {", ".join(_COLUMNS)})
    SELECT :app_id, :now, * FROM unnest(
        CAST(:environment AS text[]), CAST(:session_id AS text[]), CAST(:task AS text[]),
        CAST(:user_id AS text[]), CAST(:started_at AS timestamptz[]),
        CAST(:last_called_at AS timestamptz[]), CAST(:calls AS bigint[]),
        CAST(:keep_probability AS double precision[]), CAST(:last_sample_id AS uuid[]),
        CAST(:last_outcome AS text[]))
    ON CONFLICT (app_id, environment, session_id) DO UPDATE SET
        touched_at = greatest(old.touched_at, excluded.touched_at),
        started_at = least(old.started_at, excluded.started_at),
        last_called_at = greatest(old.last_called_at, excluded.last_called_at),
        calls = old.calls + excluded.calls,
        keep_probability = least(old.keep_probability, excluded.keep_probability),
        user_id = CASE WHEN {_IS_LATER} THEN coalesce(excluded.user_id, old.user_id)
                       ELSE coalesce(old.user_id, excluded.user_id) END,
        task = CASE WHEN {_IS_LATER} THEN excluded.task ELSE old.task END,
        last_sample_id = CASE WHEN {_IS_LATER} THEN excluded.last_sample_id
                              ELSE old.last_sample_id END,
        last_outcome = CASE WHEN {_IS_LATER} THEN excluded.last_outcome ELSE old.last_outcome END
    """
)


def touch_sessions(
    connection: Connection, app_id: int, stored: Sequence[NewSample], *, now: datetime
) -> None:
    """Count samples that were just stored to their sessions, which open with their first call.

    One statement, in the order of the sessions' keys: two transactions that touch the same sessions
    wait for each other, never in a circle. For that, call it once per app and transaction, apps in
    the order of their ids.
    """
    gathered = gather_sessions(stored)
    if gathered:
        rows = [_row_of(session) for session in gathered]
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
        # To the minute: while it stays the same, no index has to follow the row's new version.
        minute = now.replace(second=0, microsecond=0)
        connection.execute(_TOUCH, {"app_id": app_id, "now": minute, **columns})


def _row_of(session: Session) -> dict[str, Any]:
    of_key = ("environment", "session_id")
    return session.key._asdict() | {
        name: getattr(session, name) for name in _COLUMNS if name not in of_key
    }


def take_idle(
    connection: Connection, *, since: datetime, at_most: int
) -> list[tuple[int, Session]]:
    """Take sessions that have been idle since then off the open ones, each with its app's id.

    Idle by the clock of the calls, and by ours: calls of a log, or of an outage that is over, come
    in long after they happened, one after the other. What an ingestion is touching right now is
    left to the next turn.
    """
    idle = (
        select(*(open_sessions.c[name] for name in _KEY))
        .where(open_sessions.c.touched_at <= since, open_sessions.c.last_called_at <= since)
        .order_by(open_sessions.c.touched_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
        .cte("idle")
    )
    taken = connection.execute(
        open_sessions.delete()
        .where(*(open_sessions.c[name] == idle.c[name] for name in _KEY))
        .returning(open_sessions.c.app_id, *(open_sessions.c[name] for name in _COLUMNS))
    )
    return [
        (app_id, Session(SessionKey(environment, session_id), *rest))
        for app_id, environment, session_id, *rest in taken
    ]


def insert_endings(
    connection: Connection, app_id: int, endings: Sequence[Ending], *, now: datetime
) -> None:
    """Write sessions that are over; the partitions of their last calls have to exist."""
    statement = insert(sessions)
    # A stretch that came late may end with a call of the same instant: it is the same stretch.
    merged = {
        "started_at": func.least(sessions.c.started_at, statement.excluded.started_at),
        "calls": sessions.c.calls + statement.excluded.calls,
    }
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["app_id", "ended_at", "environment", "session_id"], set_=merged
        ),
        [
            {
                "app_id": app_id,
                "ended_at": ending.session.last_called_at,
                **ending.session.key._asdict(),
                "task": ending.session.task,
                "user_id": ending.session.user_id,
                "started_at": ending.session.started_at,
                "calls": ending.session.calls,
                "keep_probability": ending.session.keep_probability,
                "last_sample_id": ending.session.last_sample_id,
                "abandonment": ending.abandonment,
                "closed_at": now,
            }
            for ending in endings
        ],
    )


def read_abandonments(
    connection: Connection, app_ids: Collection[int], *, start: datetime, end: datetime
) -> list[Abandonments]:
    """The sessions of these apps that ended in [start, end), by app, environment and task."""
    of_task = (sessions.c.app_id, sessions.c.environment, sessions.c.task)
    weight = 1 / sessions.c.keep_probability
    bad = sessions.c.abandonment.is_not(None)
    bad_weight = case((bad, weight), else_=0.0)
    query = (
        select(
            *of_task,
            func.count(),
            func.sum(weight),
            func.sum(weight * weight),
            func.count().filter(bad),
            func.sum(bad_weight),
            func.sum(bad_weight * bad_weight),
        )
        .where(
            sessions.c.app_id.in_(app_ids),  # with it, the key's index is used
            sessions.c.ended_at >= start,
            sessions.c.ended_at < end,
        )
        .group_by(*of_task)
        .order_by(*of_task)
    )
    return [
        Abandonments(app_id, environment, task, _tally(*sums))
        for app_id, environment, task, *sums in connection.execute(query)
    ]


def _tally(n: int, w: float, w2: float, bad_n: int, bad_w: float, bad_w2: float) -> Tally:
    good_w = max(0.0, w - bad_w)
    return Tally(n, w, w2, good_w, good_w, bad_n, bad_w, bad_w2)
