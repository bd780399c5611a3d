"""The bounded queue between the app's threads and the sender's."""

from __future__ import annotations

from collections import deque
from typing import Callable

from watchkeeper.calls import COUNTED, Call, facts_of
from watchkeeper.counts import CallCounts
from watchkeeper.ledger import Ledger, Stats
from watchkeeper.wake import Wake, give_way
from watchkeeper.weights import Weights

# Shed calls that wait to be counted at most, as a multiple of the queue: without their texts each
# takes some 300 bytes. Beyond it the app's threads count what they shed themselves.
_PILE = 10
_QUIET = -1  # the alarm of a queue that nobody empties: every call must attend to it


class Intake:
    """`record()` appends to `queue` and, where it is longer than `alarm`, calls `attend()`.

    So one comparison covers what the app's thread has to do now and then: start the sender, wake
    it when a batch is full, shed the oldest calls when the queue is, refuse after shutdown.
    """

    def __init__(
        self,
        ledger: Ledger,
        wake: Wake,
        start: Callable[[], bool],
        flush_at: int,
        max_queue: int,
        max_bytes: int,
    ) -> None:
        self.queue: deque[tuple[object, ...]] = deque()
        self.alarm = _QUIET
        self._ledger = ledger
        self._wake = wake
        self._start = start
        self._started = False
        self._closed = False
        self._busy = False  # this very thread is at work here; only a reentrant call sees it set
        self._flush_at = flush_at
        self._max_queue = max_queue
        self._weights = Weights(max_bytes)
        self._limit = max_queue  # or fewer, where as many as were weighed last would be too heavy
        self._pile: list[tuple[int, list[Call]]] = []
        self._piled = 0
        self._shed_counts = CallCounts()

    def attend(self) -> None:
        if self._closed:
            self.close()
            return
        if not self._started:
            self._start_once()
        if len(self.queue) > self._limit:
            self._shed()
        elif self._started and len(self.queue) > self._batch_alarm:
            self.alarm = self._limit  # once is enough; the sender sets it back
            self._wake.ring()

    def take(self, limit: int) -> tuple[list[Call], int]:
        """The oldest calls, and the number of the first; for the sender's thread."""
        with self._ledger.lock:
            self._busy = True
            try:
                self._weigh()
                surplus = self._weights.surplus
                if surplus:
                    self._shed_oldest(surplus)
                return self._pop(limit)
            finally:
                self._busy = False

    def rearm(self) -> None:
        """Before taking, so that a batch that fills up meanwhile rings again."""
        if not self._closed:
            self.alarm = self._batch_alarm

    def hand_over_counts(self, counts: CallCounts) -> None:
        """Of the calls that were shed; for the sender's thread."""
        with self._ledger.lock:
            pile, self._pile, self._piled = self._pile, [], 0
            shed, self._shed_counts = self._shed_counts, CallCounts()
            lost = counts.absorb(shed)
            if lost:
                self._ledger.book_uncounted("too_many_rows", lost)
        for first, calls in pile:
            self._count(calls, first, counts)
            give_way()

    def close(self) -> None:
        """From now on calls are refused, and counted as such."""
        with self._ledger.lock:
            if self._busy:
                return
            self._closed = True
            self.alarm = _QUIET
            refused = len(self._pop(len(self.queue))[0])
            shed, self._shed_counts = self._shed_counts, CallCounts()
            uncounted = refused + self._piled + shed.calls
            self._pile, self._piled = [], 0
            if uncounted:
                self._ledger.book_dropped("shutdown", refused)
                self._ledger.book_uncounted("shutdown", uncounted)

    def read(self) -> Stats:
        with self._ledger.lock:
            if self._closed:
                self.close()  # a call may have slipped in beside the closing
            return self._ledger.read(len(self.queue))

    def _start_once(self) -> None:
        with self._ledger.lock:
            if self._started or self._busy:
                return
            self._busy = True
            self._started = self._start()
            self._busy = False
            # Where no thread was to be had, try again some calls later, not at each one
            waiting = 0 if self._started else len(self.queue) + 1
            self.alarm = min(waiting + self._batch_alarm, self._limit)

    @property
    def _batch_alarm(self) -> int:
        """Early enough for the sender to come before anything has to be shed."""
        return min(self._flush_at - 1, self._limit // 2)

    def _weigh(self) -> None:
        self._weights.weigh(self.queue)
        self._limit = min(self._weights.fitting(otherwise=self._limit), self._max_queue)
        if self._limit < self._max_queue:
            self.alarm = min(self.alarm, self._batch_alarm)

    def _pop(self, limit: int) -> tuple[list[Call], int]:
        # len() first: appends may go on meanwhile, but nobody else takes under the lock
        waiting = min(limit, len(self.queue))
        first = self._ledger.taken + 1
        popleft = self.queue.popleft
        calls = [popleft() for _ in range(waiting)]
        self._weights.pop(waiting)
        self._ledger.taken += waiting
        return calls, first

    def _shed(self) -> None:
        """Drops the texts of the oldest calls, a hundredth of the queue at once; never a count."""
        lock = self._ledger.lock
        # Not waiting: whoever holds the lock is emptying the queue, and the next call tries again
        if not lock.acquire(blocking=False):
            return
        try:
            if self._busy:
                return
            self._busy = True
            try:
                if self._limit < self._max_queue:  # only where calls of late were heavy
                    self._weigh()
                surplus = len(self.queue) - self._limit
                at_once = max(1, self._limit // 100)
                if surplus > 0:
                    self._shed_oldest(min(max(surplus, at_once), 2 * at_once))
            finally:
                self._busy = False
        finally:
            lock.release()

    def _shed_oldest(self, number: int) -> None:
        calls, first = self._pop(number)
        self._ledger.book_dropped("queue_full", len(calls))
        if self._piled < _PILE * self._max_queue:
            self._pile.append((first, [call[:COUNTED] for call in calls]))
            self._piled += len(calls)
        else:
            self._count(calls, first, self._shed_counts)

    def _count(self, calls: list[Call], first: int, counts: CallCounts) -> None:
        for number, call in enumerate(calls, first):
            if counts.add_plain(call):
                continue
            try:
                facts = facts_of(call, [])
            except (Exception, SystemExit):  # `__str__` is code of the app
                self._ledger.book_uncounted("unserialisable")
                continue
            if facts is None:
                self._ledger.book_uncounted("no_task")
            elif not counts.add(facts, number):
                self._ledger.book_uncounted("too_many_rows")
