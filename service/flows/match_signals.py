"""Find the samples that signals speak of: a signal may come before its sample, or days after."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine

from service.domain.calls import SampleKey
from service.domain.signal_counts import SignalledCall, count_moves
from service.domain.signals import look_again_at, speaks_against
from service.store import locks, partitions, signals
from service.store.apps import list_apps
from service.store.signal_counts import add_signal_counts
from service.store.signals import Look, SignalledSample, WaitingSignal

_AT_ONCE = 500
_TURNS = 10
"""Of one app before the next one has its turn, so that no backlog keeps the others waiting."""
_log = structlog.get_logger()


def match_signals(
    engine: Engine, *, now: datetime, is_stopping: Callable[[], bool] = lambda: False
) -> int:
    """Look once for each sample whose time to be looked for has come; returns how many were found.

    A signal that is matched takes the time, environment and task of the call, and the session and
    user where it does not name them. Calls that are spoken against are counted with it.
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
        _count(engine, connection, app_id, looks)
        signals.note_looks(connection, app_id, looks)
    return looks


def _count(engine: Engine, connection: Connection, app_id: int, looks: Sequence[Look]) -> None:
    """Count the calls that are spoken against, by what is matched now and was before."""
    spoken: dict[SampleKey, SignalledSample] = {}
    new: dict[SampleKey, set[str]] = {}
    for signal, sample in ((look.signal, look.sample) for look in looks):
        if sample is not None and speaks_against(signal.kind, signal.value):
            key = (sample.called_at, signal.sample_id)
            spoken[key] = sample
            new.setdefault(key, set()).add(signal.kind)
    if not spoken:
        return
    partitions.ensure(engine, {sample.called_at for sample in spoken.values()})
    # Of two signals that are matched at once, one has to see the other.
    locks.hold(connection, f"signal-counts/{app_id}")
    old = signals.read_kinds_against(connection, app_id, {sample_id for _, sample_id in spoken})
    calls = [
        _signalled_call(sample, frozenset(old.get(key, ())), frozenset(new[key]))
        for key, sample in spoken.items()
    ]
    add_signal_counts(connection, app_id, count_moves(calls))


def _signalled_call(
    sample: SignalledSample, old: frozenset[str], new: frozenset[str]
) -> SignalledCall:
    return SignalledCall(
        minute=sample.called_at.replace(second=0, microsecond=0),
        environment=sample.environment,
        task=sample.task,
        release=sample.release,
        model=sample.model,
        prompt_version=sample.prompt_version,
        weight=1 / sample.keep_probability,
        before=old,
        after=old | new,
    )


def _outcome(signal: WaitingSignal, sample: SignalledSample | None, now: datetime) -> Look:
    again_at = None if sample else look_again_at(signal.received_at, now=now)
    return Look(signal, sample, again_at)
