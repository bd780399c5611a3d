"""Find the samples that signals speak of: a signal may come before its sample, or days after."""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import Engine

from service.domain.signals import look_again_at
from service.store import signals
from service.store.apps import list_apps
from service.store.signals import Look, WaitingSignal

_AT_ONCE = 500
_TURNS = 10
"""Of one app before the next one has its turn, so that no backlog keeps the others waiting."""
_log = structlog.get_logger()


def match_signals(
    engine: Engine, *, now: datetime, is_stopping: Callable[[], bool] = lambda: False
) -> int:
    """Look once for each sample whose time to be looked for has come; returns how many were found.

    A signal that is matched takes the time, environment and task of the call, and the session and
    user where it does not name them.
    """
    with engine.connect() as connection:
        app_ids = [app.id for app in list_apps(connection)]
    matched = 0
    for app_id in app_ids:
        for _ in range(_TURNS):
            if is_stopping():
                return matched
            looks = _look(engine, app_id, now)
            matched += sum(look.sample is not None for look in looks)
            if len(looks) < _AT_ONCE:
                break
        else:
            _log.warning("signals_wait_for_their_turn", app_id=app_id, looked_for=_TURNS * _AT_ONCE)
    return matched


def _look(engine: Engine, app_id: int, now: datetime) -> list[Look]:
    with engine.begin() as connection:
        waiting = signals.take_waiting(connection, app_id, now=now, at_most=_AT_ONCE)
        if not waiting:
            return []
        found = signals.find_samples(connection, app_id, {each.sample_id for each in waiting})
        looks = [_outcome(signal, found.get(signal.sample_id), now) for signal in waiting]
        signals.note_looks(connection, app_id, looks)
    return looks


def _outcome(signal: WaitingSignal, sample: signals.SignalledSample | None, now: datetime) -> Look:
    again_at = None if sample else look_again_at(signal.received_at, now=now)
    return Look(signal, sample, again_at)
