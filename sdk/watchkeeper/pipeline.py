"""The way of a call through the SDK: intake, collector, sender, and the ledger beside them."""

from __future__ import annotations

import threading
import time

from watchkeeper import lifecycle
from watchkeeper.collector import Collector
from watchkeeper.intake import Intake
from watchkeeper.ledger import FlushResult, Ledger, Stats, flush_result
from watchkeeper.sender import FlushRequest, Sender
from watchkeeper.settings import Settings
from watchkeeper.troubles import Troubles
from watchkeeper.wake import Wake

_BOOKING_S = 0.1  # for booking what was given up, once the time of a shutdown is over


class Pipeline:
    """Belongs to one process: a forked child makes a new one. Its thread starts with the first
    call, so that a server which forks its workers has none running in the parent."""

    def __init__(self, settings: Settings) -> None:
        self.ledger = Ledger()
        self.troubles = Troubles()
        wake = Wake()
        self.intake = Intake(
            self.ledger, wake, self._start_thread, settings.flush_at, settings.max_queue
        )
        self.collector = Collector(settings, self.intake, self.ledger, self.troubles)
        self._sender = Sender(
            settings, self.intake, self.collector, self.ledger, wake, self.troubles
        )
        self._thread: threading.Thread | None = None

    def stats(self) -> Stats:
        return self.intake.read()

    def flush(self, timeout_s: float) -> FlushResult:
        before = self.stats()
        request = FlushRequest(target=before.produced)
        if self._is_running():
            self._sender.request_flush(request)
            request.done.wait(timeout_s)
        else:
            request.complete = before.queued == 0
        return flush_result(request.complete, before, self.stats())

    def shutdown(self, timeout_s: float) -> FlushResult:
        deadline = time.monotonic() + timeout_s
        before = self.stats()
        request = FlushRequest(target=before.produced)
        if self._is_running():
            self._sender.request_flush(request)
            self._sender.request_stop(timeout_s)
            request.done.wait(timeout_s)
            if self._thread is not None and self._thread is not threading.current_thread():
                self._thread.join(max(deadline - time.monotonic(), 0.0) + _BOOKING_S)
        else:
            request.complete = before.queued == 0
            self.intake.close()
        result = flush_result(request.complete, before, self.stats())
        lost = self.stats().uncounted.get("shutdown", 0)
        if lost:
            self.troubles.tell("shutdown", "ended; calls that could not be sent: %d", lost)
        return result

    def _is_running(self) -> bool:
        if self.intake.queue:  # calls wait, though there may have been no thread to be had
            self.intake.attend()
        return self._thread is not None and not self._sender.is_finished

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._sender.run, name="watchkeeper-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread to be had: a limit, or the interpreter is ending
            self.troubles.tell("thread", "cannot start the sender's thread; calls wait")
            return False
        self._thread = thread
        lifecycle.close_with_worker_process()
        return True
