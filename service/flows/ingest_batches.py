"""Take in the batches of several requests: one transaction for all of them, once per batch id.

A commit costs the same for one sample as for a thousand, so requests that come together are
committed together; each is answered for itself.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from service.domain.calls import Batch, Remark
from service.domain.kept_calls import count_kept
from service.domain.vetting import Vetted, merge_counts, vet
from service.errors import WatchkeeperError
from service.store import partitions
from service.store.api_keys import find_revoked, note_uses
from service.store.apps import App
from service.store.call_counts import add_call_counts
from service.store.database_errors import is_transient
from service.store.ingest_batches import claim_batches
from service.store.reported_scores import insert_reported
from service.store.samples import insert_samples, is_clash
from service.store.scoring_jobs import enqueue
from service.store.sdk_instances import Heard, put_instances
from service.store.sessions import touch_sessions
from service.store.signals import insert_signals


class RevokedApiKeyError(WatchkeeperError):
    """This key has been revoked."""

    status = HTTPStatus.UNAUTHORIZED


@dataclass(frozen=True, slots=True)
class Post:
    """One batch, and the key that it came with."""

    key_id: int
    app: App
    batch: Batch


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch."""

    batch_id: UUID
    accepted: int
    duplicate: int
    rejected: int
    counts_accepted: int
    counts_rejected: int
    signals_accepted: int
    signals_rejected: int
    rejections: tuple[Remark, ...]
    truncations: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A post, and what of it can be stored."""

    post: Post
    vetted: Vetted

    @property
    def claim(self) -> tuple[int, UUID, int]:
        return self.post.app.id, self.post.batch.batch_id, self.post.key_id


def ingest_batches(
    engine: Engine,
    posts: Sequence[Post],
    *,
    now: datetime,
    retention_of: Callable[[App], timedelta],
    used_at: Mapping[int, datetime] | None = None,
) -> list[Receipt | Exception]:
    """Store what can be stored, and say for each post what became of it.

    Whoever has a receipt is stored: the transaction is committed. Where it fails by a fault of one
    post, each is tried alone, so that only this one is answered with the error.

    used_at: when keys were used, by their ids, to be remembered with it.
    """
    entries = [
        _Entry(post, vet(post.batch, now=now, retention=retention_of(post.app))) for post in posts
    ]
    try:
        return _store_together(engine, entries, now=now, used_at=used_at or {})
    except Exception as error:
        if len(posts) == 1 or is_transient(error):
            return [error] * len(posts)
    return [
        outcome
        for post in posts
        for outcome in ingest_batches(
            engine, [post], now=now, retention_of=retention_of, used_at=used_at
        )
    ]


def _store_together(
    engine: Engine, entries: Sequence[_Entry], *, now: datetime, used_at: Mapping[int, datetime]
) -> list[Receipt | Exception]:
    try:
        return _store_where_partitions_are_known(engine, entries, now=now, used_at=used_at)
    except DBAPIError as error:
        if not partitions.is_missing(error):
            raise
    # One that this process had seen was dropped by hand: look again, and make it.
    partitions.forget_known(engine)
    return _store_where_partitions_are_known(engine, entries, now=now, used_at=used_at)


def _store_where_partitions_are_known(
    engine: Engine, entries: Sequence[_Entry], *, now: datetime, used_at: Mapping[int, datetime]
) -> list[Receipt | Exception]:
    partitions.ensure_once(engine, _times(entries))
    try:
        with engine.begin() as connection:
            note_uses(connection, used_at)
            return _store(connection, entries, now=now, expect_clashes=False)
    except DBAPIError as error:
        if not is_clash(error):
            raise
    # Some sample is stored already, which a plain COPY cannot skip; begin again, the slower way.
    with engine.begin() as connection:
        note_uses(connection, used_at)
        return _store(connection, entries, now=now, expect_clashes=True)


def _times(entries: Sequence[_Entry]) -> set[datetime]:
    of_samples = {sample.called_at for entry in entries for sample in entry.vetted.samples}
    of_counts = {count.slice.minute for entry in entries for count in entry.vetted.counts}
    of_signals = {signal.signalled_at for entry in entries for signal in entry.vetted.signals}
    return of_samples | of_counts | of_signals


def _store(
    connection: Connection, entries: Sequence[_Entry], *, now: datetime, expect_clashes: bool
) -> list[Receipt | Exception]:
    fresh = claim_batches(connection, {entry.claim for entry in entries}, now=now)
    revoked: set[int] = set()
    if len(fresh) < len(entries):  # else every key is in force, and nothing was here before
        revoked = find_revoked(connection, {entry.post.key_id for entry in entries})
    live = [entry for entry in entries if entry.post.key_id not in revoked]
    new: dict[int, dict[UUID, _Entry]] = defaultdict(dict)
    for entry in live:
        if entry.claim[:2] in fresh:  # of two posts of one batch in one group the first counts
            new[entry.post.app.id].setdefault(entry.post.batch.batch_id, entry)
    accepted: Counter[int] = Counter()
    # In the order of the apps, so that no two groups wait for each other in a circle.
    for app_id, of_app in sorted(new.items()):
        chosen = list(of_app.values())
        stored = _store_of_app(connection, app_id, chosen, now=now, expect_clashes=expect_clashes)
        accepted.update({id(entry): count for entry, count in zip(chosen, stored, strict=True)})
    is_new = {id(entry) for of_app in new.values() for entry in of_app.values()}
    put_instances(connection, _heard(live, is_new), now=now)
    return [
        RevokedApiKeyError("This key has been revoked; nothing was stored")
        if entry.post.key_id in revoked
        else _receipt(entry, accepted[id(entry)], is_new=id(entry) in is_new)
        for entry in entries
    ]


def _store_of_app(
    connection: Connection,
    app_id: int,
    entries: Sequence[_Entry],
    *,
    now: datetime,
    expect_clashes: bool,
) -> list[int]:
    """How many samples of each entry are stored now and were not before."""
    owners: dict[tuple[datetime, int], int] = {}
    samples = [
        sample
        for number, entry in enumerate(entries)
        for sample in entry.vetted.samples
        if owners.setdefault(sample.order, number) == number
    ]
    stored = insert_samples(connection, app_id, samples, now=now, expect_clashes=expect_clashes)
    counts = [count for entry in entries for count in entry.vetted.counts]
    counts += [count_kept(s) for s in stored if entries[owners[s.order]].post.batch.uncounted]
    add_call_counts(connection, app_id, merge_counts(counts))
    enqueue(connection, app_id, stored, now=now)
    touch_sessions(connection, app_id, stored, now=now)
    signals = [signal for entry in entries for signal in entry.vetted.signals]
    insert_signals(connection, app_id, signals, now=now)
    scores = [score for entry in entries for score in entry.post.batch.scores]
    insert_reported(connection, app_id, scores, {s.sample_id: s for s in stored}, now=now)
    if len(stored) == len(samples):
        by_owner = Counter(owners.values())
    else:
        by_owner = Counter(owners[sample.order] for sample in stored)
    return [by_owner[number] for number in range(len(entries))]


def _heard(entries: Sequence[_Entry], is_new: Collection[int]) -> Iterator[Heard]:
    """What senders told of themselves, and how many of their samples arrived, once per batch."""
    for entry in entries:
        instance = entry.post.batch.instance
        if instance is not None:
            is_first, vetted = id(entry) in is_new, entry.vetted
            stored = len(vetted.samples) + vetted.repetitions if is_first else 0
            refused = vetted.refused("/samples/") if is_first else 0
            yield Heard(entry.post.app.id, instance, stored, refused)


def _receipt(entry: _Entry, accepted: int, *, is_new: bool) -> Receipt:
    vetted = entry.vetted
    return Receipt(
        batch_id=entry.post.batch.batch_id,
        accepted=accepted,
        duplicate=len(vetted.samples) + vetted.repetitions - accepted,
        rejected=vetted.refused("/samples/"),
        counts_accepted=vetted.counts_taken if is_new else 0,
        counts_rejected=vetted.refused("/call_counts/"),
        signals_accepted=len(vetted.signals) if is_new else 0,
        signals_rejected=vetted.refused("/signals/"),
        rejections=vetted.rejections,
        truncations=entry.post.batch.truncations,
    )
