"""The background thread: collects, sends batches, tries them again."""

from __future__ import annotations

import random
import threading
import time
from collections import deque

from watchkeeper.batches import Batch, book_answer, book_lost
from watchkeeper.collector import Collector
from watchkeeper.intake import Intake
from watchkeeper.ledger import Ledger
from watchkeeper.settings import Settings
from watchkeeper.transport import Answer, NoAnswerError, Transport
from watchkeeper.troubles import Troubles
from watchkeeper.wake import Wake

_PAUSE_AFTER_FAULT_S = 1.0


class FlushRequest:
    """Done when no call up to number `target` waits any more."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.done = threading.Event()
        self.complete = False
        self.is_new = True

    def finish(self, *, complete: bool) -> None:
        self.complete = complete
        self.done.set()


class Sender:
    """Holds one batch at a time and tries it until the server has answered for good.

    Between attempts it goes on collecting, so that only the backlog's bound limits an outage.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        collector: Collector,
        ledger: Ledger,
        wake: Wake,
        troubles: Troubles,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._collector = collector
        self._ledger = ledger
        self._wake = wake
        self._troubles = troubles
        self._transport = Transport(settings.url, settings.api_key)
        self._chance = random.Random()  # noqa: S311 - spreads retries; guards nothing
        self._requests: deque[FlushRequest] = deque()
        self._batch: Batch | None = None
        self._failures = 0
        self._sent_at = time.monotonic()
        self._next_attempt_at = 0.0
        self._not_before = 0.0  # Retry-After: binding even for a flush
        self._stop_at: float | None = None
        self.is_finished = False

    def run(self) -> None:
        while not self.is_finished:
            self._wake.wait(self._pause_s())
            self._turn_safely()

    def request_flush(self, request: FlushRequest) -> None:
        self._requests.append(request)
        self._wake.ring()
        if self.is_finished:  # the thread may have looked for requests a moment ago
            request.finish(complete=True)

    def request_stop(self, within_s: float) -> None:
        """Sends what there is until `within_s` from now; what is left then is dropped."""
        self._stop_at = time.monotonic() + within_s
        self._wake.ring()

    def _turn_safely(self) -> None:
        try:
            self._turn()
        except BaseException as error:
            # A fault of ours must not end the thread: the queue would only overflow then
            self._troubles.tell("fault", "fault in the sender: %s", type(error).__name__)
            self._wake.wait(_PAUSE_AFTER_FAULT_S)
            if self._stop_at is not None and time.monotonic() >= self._stop_at:
                self._finish()

    def _turn(self) -> None:
        self._intake.rearm()
        self._collector.collect()
        self._hasten()
        if self._batch is None and self._is_batch_due():
            self._batch = self._collector.next_batch()
            self._sent_at = time.monotonic()
        if self._batch is not None and time.monotonic() >= self._next_attempt_at:
            self._attempt(self._batch)
        self._answer_requests()
        if self._stop_at is not None and (self._is_idle() or time.monotonic() >= self._stop_at):
            self._finish()

    def _hasten(self) -> None:
        """One attempt at once for each flush, backoff or not; Retry-After stays binding."""
        for request in list(self._requests):
            if request.is_new:
                request.is_new = False
                self._next_attempt_at = self._not_before

    def _pause_s(self) -> float:
        now = time.monotonic()
        if self._batch is not None:
            due_at = self._next_attempt_at
        elif self._is_batch_due() or len(self._intake.queue) >= self._wanted():
            return 0.0
        else:
            due_at = self._sent_at + self._settings.flush_interval
        if self._stop_at is not None:
            due_at = min(due_at, self._stop_at)
        return due_at - now

    def _is_batch_due(self) -> bool:
        if self._requests or self._stop_at is not None:
            return not self._collector.is_empty
        if len(self._collector.backlog) >= self._settings.flush_at:
            return True
        return time.monotonic() >= self._sent_at + self._settings.flush_interval

    def _wanted(self) -> int:
        """How many calls in the queue are worth a turn."""
        return 1 if self._requests or self._stop_at is not None else self._settings.flush_at

    def _is_idle(self) -> bool:
        return self._batch is None and self._collector.is_empty and not self._intake.queue

    def _attempt(self, batch: Batch) -> None:
        timeout_s = self._settings.timeout
        if self._stop_at is not None:  # never longer than shutdown() waits, and never 0
            timeout_s = min(timeout_s, max(self._stop_at - time.monotonic(), 0.001))
        try:
            answer = self._transport.post(batch.body, timeout_s)
        except NoAnswerError as error:
            self._retry_later(0.0, f"no answer ({error})")
            return
        if answer.is_temporary:
            self._retry_later(answer.retry_after_s, f"HTTP {answer.status}")
            return
        self._settle(batch, answer)

    def _settle(self, batch: Batch, answer: Answer) -> None:
        # Forgotten first: a fault while booking must not book the same batch again
        self._batch = None
        self._failures = 0
        self._next_attempt_at = self._not_before = 0.0
        if answer.is_stored:
            book_answer(batch, answer.body, self._ledger)
            return
        reason = f"http_{answer.status}"
        book_lost(batch, reason, self._ledger)
        self._troubles.tell(
            reason,
            "the server refused a batch with HTTP %d: %d samples and the counts of %d calls are "
            "lost; check url, api_key and app",
            answer.status,
            batch.samples,
            batch.calls,
        )

    def _retry_later(self, retry_after_s: float, cause: str) -> None:
        self._failures += 1
        now = time.monotonic()
        self._not_before = now + retry_after_s
        delay_s = self._settings.backoff.delay_s(self._failures, self._chance)
        self._next_attempt_at = self._not_before + delay_s
        self._troubles.tell(
            "retry",
            "batch not stored yet: %s; attempt %d follows in %.1f s",
            cause,
            self._failures + 1,
            self._next_attempt_at - now,
        )

    def _answer_requests(self) -> None:
        if not self._requests:
            return
        with self._ledger.lock:
            oldest = self._ledger.taken + 1  # what is still in the app's queue comes after it
        if self._batch is not None:
            oldest = min(oldest, self._batch.first_number)
        if self._collector.first_number is not None:
            oldest = min(oldest, self._collector.first_number)
        for _ in range(len(self._requests)):
            request = self._requests.popleft()
            if request.target < oldest:
                request.finish(complete=True)
            else:
                self._requests.append(request)

    def _finish(self) -> None:
        """Drops and books whatever is left; from now on the client refuses."""
        self.is_finished = True
        self._answer_requests()
        left, self._batch = self._batch, None
        while left is not None or not self._collector.is_empty:
            if left is not None:
                book_lost(left, "shutdown", self._ledger)
            left = self._collector.next_batch()
        self._intake.close()
        while self._requests:
            self._requests.popleft().finish(complete=False)
        self._transport.close()
