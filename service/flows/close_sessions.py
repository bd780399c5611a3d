"""Close the sessions that have been idle for long, and conclude which were abandoned."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from service.domain.sessions import IDLE, Ending, Session, judge_ending
from service.store import partitions, sessions
from service.store.signals import insert_signals, read_reactions

_AT_ONCE = 500


def close_sessions(
    engine: Engine,
    *,
    now: datetime,
    idle: timedelta = IDLE,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Close every session without a call for `idle`; returns how many. A later call opens it anew.

    What users do with the last answer after that changes nothing any more.
    """
    closed = 0
    while not is_stopping():
        count = _close_some(engine, now, idle)
        closed += count
        if count < _AT_ONCE:
            break
    return closed


def _close_some(engine: Engine, now: datetime, idle: timedelta) -> int:
    with engine.begin() as connection:
        taken = sessions.take_idle(connection, since=now - idle, at_most=_AT_ONCE)
        partitions.ensure(engine, {session.last_called_at for _, session in taken})
        by_app: dict[int, list[Session]] = {}
        for app_id, session in taken:
            by_app.setdefault(app_id, []).append(session)
        for app_id in sorted(by_app):
            _close_of(connection, app_id, by_app[app_id], now)
    return len(taken)


def _close_of(connection: Connection, app_id: int, over: Sequence[Session], now: datetime) -> None:
    reactions = read_reactions(connection, app_id, {session.last_sample_id for session in over})
    endings: list[Ending] = [
        judge_ending(session, reactions.get(session.last_sample_id, ())) for session in over
    ]
    sessions.insert_endings(connection, app_id, endings, now=now)
    derived = [signal for ending in endings if (signal := ending.derive_signal(app_id))]
    insert_signals(connection, app_id, derived, now=now)
