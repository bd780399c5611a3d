"""Signals as tests need them, written by the store."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, Row, select

from service.domain.calls import NewSample
from service.domain.signals import NewSignal
from service.store import partitions, tables
from service.store.apps import App
from service.store.signals import insert_signals
from tests.declared import NOW

_SIGNAL = NewSignal(
    signal_id=uuid4(),
    signalled_at=NOW,
    sample_id=uuid4(),
    environment="production",
    task="",
    kind="thumbs",
    value=-1.0,
    text=None,
    session_id=None,
    user_id=None,
)


def a_signal(sample: NewSample | None = None, **changes: object) -> NewSignal:
    """A thumb down for that sample, with these changes."""
    of_sample = {} if sample is None else {"sample_id": sample.sample_id}
    return replace(_SIGNAL, **{"signal_id": uuid4(), **of_sample, **changes})  # type: ignore[arg-type]


def send(engine: Engine, app: App, *new: NewSignal, now: datetime = NOW) -> int:
    """Store signals, as ingestion does; how many were new."""
    partitions.ensure(engine, {signal.signalled_at for signal in new})
    with engine.begin() as connection:
        return insert_signals(connection, app.id, new, now=now)


def stored_signals(engine: Engine) -> Sequence[Row[Any]]:
    """All of them, in the order of their times."""
    columns = tables.signals.c
    query = select(tables.signals).order_by(columns.signalled_at, columns.signal_id)
    with engine.connect() as connection:
        return connection.execute(query).all()
