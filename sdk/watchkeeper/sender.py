"""The background thread: collects calls, freezes batches, has them posted until answered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Callable

from watchkeeper.batches import MAX_SAMPLE_BYTES, Batch, Packer
from watchkeeper.collector import Collector
from watchkeeper.courier import Courier
from watchkeeper.flush_request import FlushRequest
from watchkeeper.intake import Intake
from watchkeeper.ledger import Ledger
from watchkeeper.outbox import Outbox
from watchkeeper.outcomes import Outcomes
from watchkeeper.pace import Pace
from watchkeeper.settings import Settings
from watchkeeper.troubles import Troubles
from watchkeeper.wake import Wake

_PAUSE_AFTER_FAULT_S = 1.0
_LAST_ROUNDS = 4  # of calls that still came in, while the last batches were saved
_LEDGER_INTERVAL_S = 60.0  # in which an app that is idle tells what became of its last calls


class Sender:
    """Never waits for the network itself: while the courier does, this thread goes on collecting,
    so that only the bounds of backlog and spool limit an outage."""

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        collector: Collector,
        packer: Packer,
        outbox: Outbox,
        courier: Courier,
        ledger: Ledger,
        wake: Wake,
        troubles: Troubles,
        learn: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._collector = collector
        self._packer = packer
        self._outbox = outbox
        self._courier = courier
        self._ledger = ledger
        self._wake = wake
        self._troubles = troubles
        self._batch_bytes = min(MAX_SAMPLE_BYTES, settings.max_queue_bytes // 2 + 1)
        self._pace = Pace(settings.backoff)
        self._outcomes = Outcomes(outbox, self._pace, troubles, learn)
        self._requests: deque[FlushRequest] = deque()
        self._packed_at = self._told_at = time.monotonic()
        self._stop_at: float | None = None
        self._is_ledger_closed = False
        self.is_finished = False

    def run(self) -> None:
        while not self.is_finished:
            self._wake.wait(self._pause_s())
            self._turn_safely()

    def request_flush(self, request: FlushRequest) -> None:
        self._requests.append(request)
        self._wake.ring()
        if self.is_finished:  # the thread may have looked for requests a moment ago
            request.finish(complete=False)

    def request_stop(self, within_s: float) -> None:
        """Sends what there is until `within_s` from now; what is left then stays in the spool, or
        is dropped where there is none."""
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
        self._take_outcome()
        self._see_requests()
        now = time.monotonic()
        if self._is_batch_due(now) and self._may_pack(now):
            self._put(self._packer.pack(), now)
        if now >= self._told_at + _LEDGER_INTERVAL_S and not self._outbox.own_batches:
            self._told_at = now
            self._put(self._packer.pack_ledger(), now)
        if self._stop_at is None and now >= self._outbox.adopt_at:
            self._outbox.adopt()
        self._post(now)
        self._answer_requests()
        if self._stop_at is not None and self._is_at_end(now):
            self._finish()

    def _pause_s(self) -> float:
        now = time.monotonic()
        if len(self._intake.queue) >= self._wanted():
            return 0.0
        if self._is_batch_due(now) and self._may_pack(now):
            return 0.0
        moments = [self._pace.attempt_at] if self._pace.attempt_at > now else []
        if not self._requests and self._stop_at is None:
            moments.append(self._outbox.adopt_at)
            if not self._is_batch_due(now):
                moments.append(self._packed_at + self._settings.flush_interval)
        if self._outbox.under_way is None:  # otherwise the courier rings
            next_at = self._outbox.next_at(now)
            if next_at is not None:
                moments.append(max(next_at, self._pace.attempt_at))
        if self._stop_at is not None:
            moments.append(self._stop_at)
        return min(moments, default=now + 3600.0) - now

    def _is_batch_due(self, now: float) -> bool:
        if self._requests or self._stop_at is not None:
            return not self._packer.is_empty
        backlog = self._collector.backlog
        if len(backlog) >= self._settings.flush_at or backlog.bytes >= self._batch_bytes:
            return True
        return now >= self._packed_at + self._settings.flush_interval

    def _may_pack(self, now: float) -> bool:
        """At once where the outbox is safer. Elsewhere only what can be sent: calls that wait in
        the backlog make fewer and fuller batches later, and share their counts."""
        outbox = self._outbox
        if not outbox.has_room:
            return False
        if outbox.is_durable:
            return True
        is_free = outbox.under_way is None and outbox.candidate(now) is None
        return is_free and now >= self._pace.attempt_at

    def _wanted(self) -> int:
        """How many calls in the queue are worth a turn."""
        return 1 if self._requests or self._stop_at is not None else self._settings.flush_at

    def _put(self, batch: Batch | None, now: float) -> None:
        self._packed_at = now
        if batch is not None:
            self._told_at = now
            self._outbox.put(batch)

    def _post(self, now: float) -> None:
        if self._outbox.under_way is not None or now < self._pace.attempt_at:
            return
        waiting = self._outbox.candidate(now)
        if waiting is None:
            return
        body = self._outbox.body_of(waiting)
        if body is None:
            self._outcomes.miss_body(waiting, now)
            return
        timeout_s = self._settings.timeout
        if self._stop_at is not None:  # never longer than shutdown() waits, and never 0
            timeout_s = min(timeout_s, max(self._stop_at - now, 0.001))
        self._outbox.under_way = waiting
        self._courier.send(body, timeout_s)

    def _take_outcome(self) -> None:
        outcome = self._courier.take_outcome()
        waiting = self._outbox.under_way
        if outcome is None or waiting is None:
            return
        # Forgotten first: a fault while booking must not book the same batch again
        self._outbox.under_way = None
        self._outcomes.book(waiting, outcome)

    def _see_requests(self) -> None:
        """One attempt at once for each flush, backoff or not; Retry-After stays binding."""
        for request in list(self._requests):
            if request.is_new:
                request.is_new = False
                request.signal_target = self._packer.last_signal
            if not request.is_hastened and self._outbox.under_way is None:
                request.is_hastened = True
                self._pace.hasten()
                self._outbox.hasten()

    def _answer_requests(self) -> None:
        if not self._requests:
            return
        with self._ledger.lock:
            call = self._ledger.taken + 1  # what is still in the app's queue comes after it
        call = _oldest(call, self._outbox.first_number, self._collector.first_number)
        signal = _oldest(2**62, self._outbox.first_signal, self._packer.first_signal)
        for _ in range(len(self._requests)):
            request = self._requests.popleft()
            # A new one came after this turn had collected
            if not request.is_new and request.target < call and request.signal_target < signal:
                request.finish(complete=True)
            else:
                self._requests.append(request)

    def _is_at_end(self, now: float) -> bool:
        """Nothing is left, or no time. Batches of others are not waited for: they are on disk."""
        if self._stop_at is not None and now >= self._stop_at:
            return True
        if self._is_ledger_closed and self._pace.failures:
            return True  # it was worth one attempt
        if self._outbox.own_batches or not self._packer.is_empty or self._intake.queue:
            return False
        if self._is_ledger_closed:
            return True
        self._is_ledger_closed = True
        self._put(self._packer.pack_ledger(), now)
        self._wake.ring()
        return False

    def _finish(self) -> None:
        """Saves, or drops and books, whatever is left; from now on the client refuses."""
        self.is_finished = True
        self._see_requests()  # that of shutdown() may have come in the middle of this turn
        self._answer_requests()
        for _ in range(_LAST_ROUNDS if self._outbox.is_durable else 1):
            self._freeze_all()
            self._collector.collect()
        self._freeze_all()
        self._outbox.close("shutdown")
        self._intake.close()
        self._packer.close()
        while self._requests:
            self._requests.popleft().finish(complete=False)
        self._courier.end()

    def _freeze_all(self) -> None:
        batch = self._packer.pack()
        while batch is not None:
            self._outbox.put(batch)
            batch = self._packer.pack()


def _oldest(otherwise: int, *numbers: int | None) -> int:
    return min((number for number in numbers if number is not None), default=otherwise)
