"""Signals: written as they come, matched with their samples afterwards."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from service.domain.calls import SampleKey
from service.domain.sessions import Reaction
from service.domain.signals import NewSignal, speaks_against
from service.store.tables import samples, signals


@dataclass(frozen=True, slots=True)
class WaitingSignal:
    """A signal whose sample is not known yet."""

    signalled_at: datetime
    signal_id: UUID
    sample_id: UUID
    received_at: datetime
    kind: str
    value: float | None


@dataclass(frozen=True, slots=True)
class SignalledSample:
    """What a signal takes from its sample, and what the sample is counted by."""

    called_at: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    keep_probability: float
    session_id: str | None
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """What came of looking for a signal's sample: the sample, or when to look again (or never)."""

    signal: WaitingSignal
    sample: SignalledSample | None
    look_at: datetime | None


def insert_signals(
    connection: Connection, app_id: int, new: Sequence[NewSignal], *, now: datetime
) -> int:
    """Write signals, in one order for all writers; returns how many were not there already.

    Their samples are looked for afterwards, so that it makes no difference which comes first. The
    partitions of their times have to exist.
    """
    if not new:
        return 0
    rows = [
        {
            "app_id": app_id,
            "signalled_at": signal.signalled_at,
            "signal_id": signal.signal_id,
            "sample_id": signal.sample_id,
            "environment": signal.environment,
            "task": signal.task,
            "kind": signal.kind,
            "value": signal.value,
            "text": signal.text,
            "session_id": signal.session_id,
            "user_id": signal.user_id,
            "is_derived": signal.is_derived,
            "received_at": now,
            "look_at": now,
        }
        for signal in sorted(new, key=lambda signal: (signal.signalled_at, signal.signal_id))
    ]
    stored = connection.execute(
        insert(signals).on_conflict_do_nothing().returning(signals.c.signal_id), rows
    )
    return len(stored.all())


def take_waiting(
    connection: Connection, app_id: int, *, now: datetime, at_most: int
) -> list[WaitingSignal]:
    """Signals whose time to be looked for has come, the longest waiting first.

    What somebody else holds (a user's signals that are being removed) is left to the next turn.
    """
    query = (
        select(*(signals.c[name] for name in WaitingSignal.__slots__))
        .where(signals.c.app_id == app_id, signals.c.look_at <= now)
        .order_by(signals.c.look_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return [WaitingSignal(*row) for row in connection.execute(query)]


def find_samples(
    connection: Connection, app_id: int, sample_ids: Collection[UUID]
) -> dict[UUID, SignalledSample]:
    """Those of these samples that are stored; of two with one id the later one."""
    query = (
        select(samples.c.sample_id, *(samples.c[name] for name in SignalledSample.__slots__))
        .where(samples.c.app_id == app_id, samples.c.sample_id.in_(sample_ids))
        .order_by(samples.c.called_at)
    )
    return {
        sample_id: SignalledSample(*columns) for sample_id, *columns in connection.execute(query)
    }


def note_looks(connection: Connection, app_id: int, looks: Sequence[Look]) -> None:
    """Write down what came of looking."""
    times = [look.signal.signalled_at for look in looks]
    found = [look.sample for look in looks]
    connection.execute(
        text(
            """
            UPDATE signals s SET
                look_at = l.look_at,
                called_at = l.called_at,
                environment = coalesce(l.environment, s.environment),
                task = coalesce(l.task, s.task),
                session_id = coalesce(s.session_id, l.session_id),
                user_id = coalesce(s.user_id, l.user_id)
            FROM unnest(
                CAST(:times AS timestamptz[]), CAST(:ids AS uuid[]), CAST(:looks AS timestamptz[]),
                CAST(:calls AS timestamptz[]), CAST(:environments AS text[]),
                CAST(:tasks AS text[]), CAST(:sessions AS text[]), CAST(:users AS text[])
            ) AS l (signalled_at, signal_id, look_at,
                    called_at, environment, task, session_id, user_id)
            WHERE s.app_id = :app_id AND s.signalled_at = l.signalled_at
            AND s.signal_id = l.signal_id
            AND s.signalled_at BETWEEN :first AND :last
            """
        ),
        {
            "app_id": app_id,
            "times": times,
            "ids": [look.signal.signal_id for look in looks],
            "looks": [look.look_at for look in looks],
            "calls": [sample and sample.called_at for sample in found],
            "environments": [sample and sample.environment for sample in found],
            "tasks": [sample and sample.task for sample in found],
            "sessions": [sample and sample.session_id for sample in found],
            "users": [sample and sample.user_id for sample in found],
            "first": min(times),
            "last": max(times),  # lets the planner skip partitions
        },
    )


def read_kinds_against(
    connection: Connection, app_id: int, sample_ids: Collection[UUID]
) -> dict[SampleKey, set[str]]:
    """By which kinds of signals users spoke against these samples, of signals that are matched."""
    columns = signals.c
    query = select(columns.called_at, columns.sample_id, columns.kind, columns.value).where(
        columns.app_id == app_id,
        columns.sample_id.in_(sample_ids),
        columns.called_at.is_not(None),
    )
    kinds: dict[SampleKey, set[str]] = {}
    for called_at, sample_id, kind, value in connection.execute(query):
        if speaks_against(kind, value):
            kinds.setdefault((called_at, sample_id), set()).add(kind)
    return kinds


def read_reactions(
    connection: Connection, app_id: int, sample_ids: Iterable[UUID]
) -> dict[UUID, list[Reaction]]:
    """What users did with these samples, told by their apps; what we concluded is not among it."""
    query = select(
        signals.c.sample_id, signals.c.signalled_at, signals.c.kind, signals.c.value
    ).where(
        signals.c.app_id == app_id,
        signals.c.sample_id.in_(list(sample_ids)),
        signals.c.is_derived.is_(False),
    )
    reactions: dict[UUID, list[Reaction]] = {}
    for sample_id, *reaction in connection.execute(query):
        reactions.setdefault(sample_id, []).append(Reaction(*reaction))
    return reactions
