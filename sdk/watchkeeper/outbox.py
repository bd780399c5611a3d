"""Frozen batches that wait for an answer: which is tried next, and which may stay on disk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import Protocol

from watchkeeper.batches import Batch, without_samples
from watchkeeper.halves import halves_of
from watchkeeper.ledger import Ledger
from watchkeeper.oldest import Oldest
from watchkeeper.receipts import book_lost

MEMORY_BYTES = (
    8 * 1024 * 1024
)  # of bodies; with a spool, the others are read back when their turn comes
ROTATE_AFTER = 3  # failures in which a batch holds up those behind it
GIVE_UP_AFTER = 50  # failures of a batch, each with others stored since the one before
_PAGE = 4_096
_ROW_BYTES = 256


class Shelf(Protocol):
    """Where bodies outlive the process. Nothing here raises."""

    @property
    def is_working(self) -> bool: ...
    def save(self, batch: Batch) -> bool: ...
    def load(self, batch_id: str) -> bytes | None: ...
    def rewrite(self, batch: Batch) -> bool: ...
    def replace(self, batch_id: str, successors: Sequence[Batch]) -> bool: ...
    def remove(self, batch_id: str) -> None: ...
    @property
    def adopt_at(self) -> float: ...
    def adopt(self) -> list[Batch]: ...
    def close(self) -> None: ...


class Waiting:
    """A batch in the outbox."""

    __slots__ = (
        *("batch", "failures", "is_adopted", "is_saved", "passed_by", "rest_until", "size"),
        "stored_before",
    )

    def __init__(self, batch: Batch, *, is_saved: bool, is_adopted: bool) -> None:
        self.batch = batch
        self.is_saved = is_saved
        self.is_adopted = is_adopted
        self.size = _size(batch)
        self.failures = 0
        self.passed_by = 0  # failures between which others were stored
        self.stored_before = 0
        self.rest_until = 0.0


class Outbox:
    """In the order of its batches, but for those that stand aside because they failed again and
    again. Batches of an earlier process come after those of this one. For the sender's thread."""

    def __init__(
        self,
        ledger: Ledger,
        adopted: Ledger,
        max_samples: int,
        spool: Shelf | None = None,
        spool_max_bytes: int = 0,
    ) -> None:
        self._ledger = ledger
        self._adopted_ledger = adopted
        self._max_samples = max_samples
        self._spool = spool
        self._spool_max_bytes = spool_max_bytes
        self._waiting: dict[str, Waiting] = {}
        self._own: OrderedDict[str, Waiting] = OrderedDict()  # those that do not stand aside
        self._adopted: OrderedDict[str, Waiting] = OrderedDict()
        self._aside: OrderedDict[str, Waiting] = OrderedDict()
        self._calls = Oldest()
        self._signals = Oldest()
        self._memory_bytes = 0  # of all bodies in memory
        self._unsaved_bytes = 0  # of those that are nowhere else
        self._unsaved_samples = 0
        self._spooled_bytes = 0
        self._stored = 0
        self.own_batches = 0
        self.under_way: Waiting | None = None

    @property
    def is_durable(self) -> bool:
        """A batch is safer in here than its samples outside."""
        return self._spool is not None and self._spool.is_working

    @property
    def adopt_at(self) -> float:
        """When to look for batches of processes that ended."""
        return inf if self._spool is None else self._spool.adopt_at

    @property
    def has_room(self) -> bool:
        return self._unsaved_bytes < MEMORY_BYTES and self._unsaved_samples < self._max_samples

    @property
    def first_number(self) -> int | None:
        return self._calls.number

    @property
    def first_signal(self) -> int | None:
        return self._signals.number

    def put(self, batch: Batch) -> None:
        is_saved = self._spool is not None and self._spool.save(batch)
        self._add(Waiting(batch, is_saved=is_saved, is_adopted=False))
        self._shed()

    def adopt(self) -> bool:
        """Takes over some batches of processes that ended; False where there are none."""
        found = self._spool.adopt() if self._spool is not None else []
        for batch in found:
            if batch.batch_id not in self._waiting:
                with self._adopted_ledger.lock:
                    self._adopted_ledger.taken += batch.samples
                    self._adopted_ledger.book_signal(batch.signals)
                self._add(Waiting(batch, is_saved=True, is_adopted=True))
        self._shed()
        return bool(found)

    def next_at(self, now: float) -> float | None:
        """When the next batch may be tried; None where there is none."""
        if self._own or self._adopted:
            return now
        return min((waiting.rest_until for waiting in self._aside.values()), default=None)

    def candidate(self, now: float) -> Waiting | None:
        # Those aside first: each comes seldom, and would never come behind a steady stream
        for waiting in self._aside.values():
            if waiting.rest_until <= now:
                return waiting
        return next(iter((self._own or self._adopted).values()), None)

    def body_of(self, waiting: Waiting) -> bytes | None:
        if waiting.batch.body or self._spool is None:
            return waiting.batch.body
        return self._spool.load(waiting.batch.batch_id)

    def ledger_of(self, waiting: Waiting) -> Ledger:
        return self._adopted_ledger if waiting.is_adopted else self._ledger

    def settle(self, waiting: Waiting, *, is_stored: bool) -> None:
        """It has its answer, whatever that was."""
        self._stored += is_stored
        if waiting.is_saved and self._spool is not None:
            self._spool.remove(waiting.batch.batch_id)
        self._forget(waiting)

    def halve(self, waiting: Waiting, body: bytes) -> bool:
        """Two batches, which are tried next, take its place; False where it has a single item.
        Raises where `body` is none."""
        whole = waiting.batch
        halves = halves_of(replace(whole, body=body))
        if not halves:
            return False
        is_saved = self._spool is not None and self._spool.replace(whole.batch_id, halves)
        for half in reversed(halves):
            added = Waiting(half, is_saved=is_saved, is_adopted=waiting.is_adopted)
            self._add(added).move_to_end(half.batch_id, last=False)
        self.settle(waiting, is_stored=False)
        self._shed()
        return True

    def put_off(self, waiting: Waiting, rest_until: float) -> bool:
        """The server failed at this batch: those behind it pass once that happened ROTATE_AFTER
        times. False where it is to be given up."""
        waiting.failures += 1
        if self._stored > waiting.stored_before:
            waiting.stored_before = self._stored
            waiting.passed_by += 1
        if waiting.failures >= ROTATE_AFTER:
            self._leave_group(waiting)
            waiting.rest_until = rest_until
            self._aside[waiting.batch.batch_id] = waiting
        return waiting.passed_by < GIVE_UP_AFTER

    def hasten(self) -> None:
        """Every batch that stands aside may be tried at once."""
        for waiting in self._aside.values():
            waiting.rest_until = 0.0

    def close(self, reason: str) -> None:
        """What is on disk stays there, for whoever adopts it; the rest is given up."""
        for waiting in list(self._waiting.values()):
            if not waiting.is_saved:
                book_lost(waiting.batch, reason, self.ledger_of(waiting))
                self._forget(waiting)
        if self._spool is not None:
            self._spool.close()

    def _add(self, waiting: Waiting) -> OrderedDict[str, Waiting]:
        """The group that it has joined, as the last."""
        batch = waiting.batch
        group = self._adopted if waiting.is_adopted else self._own
        self.own_batches += not waiting.is_adopted
        if batch.first_number is not None:
            self._calls.push(batch.first_number, batch.batch_id)
        if batch.first_signal is not None:
            self._signals.push(batch.first_signal, batch.batch_id)
        if waiting.is_saved:
            self._spooled_bytes += waiting.size
            if self._memory_bytes + len(batch.body) > MEMORY_BYTES or waiting.is_adopted:
                waiting.batch = replace(batch, body=b"")
        else:
            self._unsaved_bytes += len(batch.body)
            self._unsaved_samples += batch.samples
        self._memory_bytes += len(waiting.batch.body)
        self._waiting[batch.batch_id] = group[batch.batch_id] = waiting
        return group

    def _forget(self, waiting: Waiting) -> None:
        batch = waiting.batch
        if self._waiting.pop(batch.batch_id, None) is None:
            return
        self._leave_group(waiting)
        self._memory_bytes -= len(batch.body)
        if waiting.is_saved:
            self._spooled_bytes -= waiting.size
        else:
            self._unsaved_bytes -= len(batch.body)
            self._unsaved_samples -= batch.samples
        if not waiting.is_adopted:
            self.own_batches -= 1
        for oldest in (self._calls, self._signals):
            oldest.prune(self._waiting)

    def _leave_group(self, waiting: Waiting) -> None:
        for group in (self._own, self._adopted, self._aside):
            group.pop(waiting.batch.batch_id, None)

    def _shed(self) -> None:
        """Samples of the oldest batches go first; where counts alone fill the spool, those too."""
        if self._spooled_bytes <= self._spool_max_bytes:
            return
        for lose in (self._lose_samples, self._lose):
            for waiting in self._oldest_saved():
                if self._spooled_bytes <= self._spool_max_bytes:
                    return
                if waiting is not self.under_way:
                    lose(waiting)

    def _oldest_saved(self) -> Iterator[Waiting]:
        saved = [waiting for waiting in self._waiting.values() if waiting.is_saved]
        yield from (waiting for waiting in saved if waiting.is_adopted)
        yield from (waiting for waiting in saved if not waiting.is_adopted)

    def _lose_samples(self, waiting: Waiting) -> None:
        batch = waiting.batch
        body = self.body_of(waiting) if batch.samples else None
        if body is None or self._spool is None:
            return
        try:
            thinned = without_samples(replace(batch, body=body))
        except Exception:  # the disk gave something else back; each decompressor says so in its way
            return
        if not self._spool.rewrite(thinned):
            return
        self.ledger_of(waiting).book_dropped("spool_full", batch.samples)
        self._memory_bytes -= len(batch.body)
        self._spooled_bytes += _size(thinned) - waiting.size
        waiting.batch, waiting.size = replace(thinned, body=b""), _size(thinned)

    def _lose(self, waiting: Waiting) -> None:
        book_lost(waiting.batch, "spool_full", self.ledger_of(waiting))
        self.settle(waiting, is_stored=False)


def _size(batch: Batch) -> int:
    """Roughly what SQLite takes for it: small rows share pages, large ones have their own."""
    size = len(batch.body) + _ROW_BYTES
    return size if size < _PAGE // 2 else (size // _PAGE + 1) * _PAGE
