"""Take in one batch of an app: one transaction, however many items, and once per batch id."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Engine

from service.domain.calls import Batch, CallCount, NewSample, Rejection, Slice, refuse_time
from service.store import partitions
from service.store.apps import App
from service.store.call_counts import add_call_counts
from service.store.ingest_batches import claim_batch
from service.store.samples import insert_samples
from service.store.scoring_jobs import enqueue

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch."""

    batch_id: UUID
    accepted: int
    duplicate: int
    rejected: int
    counts_accepted: int
    counts_rejected: int
    rejections: tuple[Rejection, ...]


def ingest_samples(
    engine: Engine, app: App, batch: Batch, *, now: datetime, retention: timedelta
) -> Receipt:
    """Store what can be stored. When this returns, it is committed."""
    timely, late_samples = _timely(
        {i: (sample, sample.called_at) for i, sample in batch.samples.items()},
        "/samples/{}/called_at",
        now,
        retention,
    )
    samples, ambiguous = _of_one_time(timely)
    counts, late_counts = _timely(
        {i: (count, count.slice.minute) for i, count in batch.counts.items()},
        "/call_counts/{}/minute",
        now,
        retention,
    )
    distinct = list({sample.sample_id: sample for sample in samples}.values())
    partitions.ensure(
        engine, {s.called_at for s in distinct} | {count.slice.minute for count in counts.values()}
    )
    with engine.begin() as connection:
        is_new = claim_batch(connection, app.id, batch.batch_id, now=now)
        stored: list[NewSample] = []
        if is_new:
            stored = insert_samples(connection, app.id, distinct, now=now)
            add_call_counts(connection, app.id, _merged(counts.values()))
            enqueue(connection, app.id, stored, now=now)
    rejections = (*batch.rejections, *late_samples, *ambiguous, *late_counts)
    of_samples = sum(_is_of_sample(rejection) for rejection in rejections)
    return Receipt(
        batch_id=batch.batch_id,
        accepted=len(stored),
        duplicate=len(samples) - len(stored),
        rejected=of_samples,
        counts_accepted=len(counts) if is_new else 0,
        counts_rejected=len(rejections) - of_samples,
        rejections=rejections,
    )


def _timely(
    items: dict[int, tuple[Item, datetime]], pointer: str, now: datetime, retention: timedelta
) -> tuple[dict[int, Item], list[Rejection]]:
    taken, refused = {}, []
    for index, (item, instant) in items.items():
        reason = refuse_time(instant, now=now, retention=retention)
        if reason is None:
            taken[index] = item
        else:
            refused.append(Rejection(pointer.format(index), reason))
    return taken, refused


def _of_one_time(items: dict[int, NewSample]) -> tuple[list[NewSample], list[Rejection]]:
    """What is unambiguous: with a second time, an id would name a second sample."""
    first: dict[UUID, int] = {}
    taken, refused = [], []
    for index, sample in items.items():
        known = first.setdefault(sample.sample_id, index)
        if items[known].called_at == sample.called_at:
            taken.append(sample)
        else:
            reason = f"is the id of /samples/{known} too, which has another called_at"
            refused.append(Rejection(f"/samples/{index}/sample_id", reason))
    return taken, refused


def _merged(counts: Iterable[CallCount]) -> list[CallCount]:
    merged: dict[Slice, CallCount] = {}
    for count in counts:
        known = merged.get(count.slice)
        merged[count.slice] = count if known is None else known + count
    return list(merged.values())


def _is_of_sample(rejection: Rejection) -> bool:
    return rejection.pointer.startswith("/samples/")
