"""Drift references, the counts in their bins, and the latest verdicts.

A reference and its counts must see every score exactly once. Who writes scores of a stream holds
the stream's lock shared; who builds the stream's reference holds it exclusively, and counts the
scores that are already there (`docs/decisions/0006`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.drift.bins import BinCounts
from service.domain.drift.reference import Reference
from service.domain.drift.verdict import DriftVerdict, HourlyCounts
from service.domain.scores import Stream
from service.store import locks
from service.store.adding import add_rows
from service.store.tables import drift_counts, drift_references, drift_states

_STATE_KEY = ("app_id", "environment", "task", "evaluator")


@dataclass(frozen=True, slots=True)
class StoredReference:
    """A stream's reference, and the calls' times that it was built from: [starts_at, ends_at)."""

    id: int
    stream: Stream
    starts_at: datetime
    ends_at: datetime
    reference: Reference


def lock_stream(connection: Connection, stream: Stream, *, shared: bool) -> None:
    """Hold the stream's lock until the transaction ends."""
    locks.hold(connection, f"drift/{'/'.join(map(str, stream))}", shared=shared)


def find_reference(connection: Connection, stream: Stream) -> StoredReference | None:
    """The reference in force."""
    row = connection.execute(
        select(drift_references).where(
            *(drift_references.c[name] == getattr(stream, name) for name in Stream._fields),
            drift_references.c.replaced_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    reference = Reference.from_document(row.bins)
    return StoredReference(row.id, stream, row.starts_at, row.ends_at, reference)


def add_reference(
    connection: Connection,
    stream: Stream,
    reference: Reference,
    *,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> StoredReference:
    """Store a reference; from now on it never changes."""
    reference_id = connection.scalar(
        drift_references.insert()
        .values(
            **stream._asdict(),
            starts_at=starts_at,
            ends_at=ends_at,
            bins=reference.to_document(),
            created_at=now,
        )
        .returning(drift_references.c.id)
    )
    assert reference_id is not None  # noqa: S101 - an insert returns its row
    return StoredReference(reference_id, stream, starts_at, ends_at, reference)


def add_counts(
    connection: Connection, stored: StoredReference, counts: Mapping[datetime, BinCounts]
) -> None:
    """Add to the stored counts of these hours; empty bins are not stored."""
    rows = (
        {
            "app_id": stored.stream.app_id,
            "reference_id": stored.id,
            "hour": hour,
            "bin": int(number),
            "n": int(of_hour.n[number]),
            "w": float(of_hour.w[number]),
            "w2": float(of_hour.w2[number]),
        }
        for hour, of_hour in counts.items()
        for number in np.flatnonzero(of_hour.n)
    )
    add_rows(connection, drift_counts, rows, ("n", "w", "w2"))


def read_batches(connection: Connection, stored: StoredReference) -> HourlyCounts:
    """The counts since the reference's end, an entry per hour that has any, in order."""
    rows = connection.execute(
        select(drift_counts)
        .where(
            drift_counts.c.app_id == stored.stream.app_id,
            drift_counts.c.reference_id == stored.id,
            drift_counts.c.hour >= func.date_trunc("hour", stored.ends_at),
        )
        .order_by(drift_counts.c.hour, drift_counts.c.bin)
    )
    width = len(stored.reference.edges) + 1
    sums: dict[datetime, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for row in rows:
        hour = sums.setdefault(row.hour, np.zeros((3, width)))
        hour[:, row.bin] = (row.n, row.w, row.w2)
    return [(hour, BinCounts.of(n.astype(np.int64), w, w2)) for hour, (n, w, w2) in sums.items()]


def put_state(
    connection: Connection,
    stream: Stream,
    verdict: DriftVerdict,
    document: dict[str, Any],
    *,
    now: datetime,
) -> None:
    """Store a stream's latest verdict; of an evaluator, the newest version's is kept."""
    key = {name: getattr(stream, name) for name in _STATE_KEY}
    statement = insert(drift_states).values(
        **key,
        status=verdict.status,
        sentence=verdict.sentence,
        verdict=document,
        evaluated_at=now,
    )
    changed = ("status", "sentence", "verdict", "evaluated_at")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(key),
            set_={name: statement.excluded[name] for name in changed},
        )
    )


def drop_state(connection: Connection, state: "DriftState") -> None:
    """Forget the latest verdict on what is no longer watched."""
    of_state = (drift_states.c[name] == getattr(state, name) for name in _STATE_KEY)
    connection.execute(drift_states.delete().where(*of_state))


@dataclass(frozen=True, slots=True)
class DriftState:
    """The latest verdict on one evaluator's scores of a task."""

    app_id: int
    environment: str
    task: str
    evaluator: str
    status: str
    sentence: str
    verdict: dict[str, Any]
    evaluated_at: datetime

    @property
    def stream(self) -> Stream:
        """What was judged, with its evaluator's version of then."""
        version = self.verdict["evaluator_version"]
        return Stream(self.app_id, self.environment, self.task, self.evaluator, version)


def list_states(connection: Connection) -> list[DriftState]:
    """Of all streams, by app, task and evaluator."""
    columns = [drift_states.c[name] for name in DriftState.__slots__]
    return [DriftState(*row) for row in connection.execute(select(*columns).order_by(*columns[:4]))]
