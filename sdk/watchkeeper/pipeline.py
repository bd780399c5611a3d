"""The way of a call through the SDK: intake, collector, sender, and the ledger beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from watchkeeper import lifecycle
from watchkeeper.batches import Packer
from watchkeeper.collector import Collector
from watchkeeper.courier import Courier
from watchkeeper.flush_request import FlushRequest
from watchkeeper.intake import Intake
from watchkeeper.ledger import FlushResult, Ledger, Stats, adopted_stats, flush_result
from watchkeeper.outbox import Outbox
from watchkeeper.proxies import is_usable, proxy_of
from watchkeeper.sender import Sender
from watchkeeper.settings import Settings
from watchkeeper.signals import Signal, SignalQueue
from watchkeeper.transport import Transport
from watchkeeper.troubles import Troubles
from watchkeeper.wake import Wake

if TYPE_CHECKING:
    from watchkeeper.spool import Spool

# For booking what was given up, or saving it, once the time of a shutdown is over
_BOOKING_S = 0.1
_SAVING_S = 0.5


class Pipeline:
    """Belongs to one process: a forked child makes a new one. Its threads start with the first
    call, so that a server which forks its workers has none running in the parent."""

    def __init__(self, settings: Settings) -> None:
        self.ledger = Ledger()
        self.troubles = Troubles()
        wake = Wake()
        self.intake = Intake(
            self.ledger,
            wake,
            self._start_threads,
            settings.flush_at,
            settings.max_queue,
            settings.max_queue_bytes,
        )
        self.signals = SignalQueue(self.ledger, settings)
        self.collector = Collector(settings, self.intake, self.ledger, self.troubles)
        self._adopted = Ledger()
        self._spool = _spool_of(settings, self.troubles)
        transport = Transport(settings.url, settings.api_key, _proxy_for(settings, self.troubles))
        self._courier = Courier(transport, wake)
        self._sender = Sender(
            settings,
            self.intake,
            self.collector,
            Packer(
                settings,
                self.collector.backlog,
                self.collector.counts,
                self.signals,
                self.intake.read,
            ),
            Outbox(
                self.ledger,
                self._adopted,
                settings.max_queue,
                self._spool,
                settings.spool_max_bytes,
            ),
            self._courier,
            self.ledger,
            wake,
            self.troubles,
            self._learn,
        )
        self._courier_thread: threading.Thread | None = None
        self._thread: threading.Thread | None = None

    def stats(self) -> Stats:
        return replace(self.intake.read(), adopted=adopted_stats(self._adopted))

    def add_signal(self, signal: Signal) -> None:
        self.signals.add(signal)
        self.intake.attend()  # an app may signal without ever recording

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
            self._join(max(deadline - time.monotonic(), 0.0))
        else:
            request.complete = before.queued == 0
            self.intake.close()
            self.signals.close()
        result = flush_result(request.complete, before, self.stats())
        lost = self.stats().uncounted.get("shutdown", 0)
        if lost:
            self.troubles.tell("shutdown", "ended; calls that could not be sent: %d", lost)
        if self._spool is not None and result.queued:
            self.troubles.tell("spooled", "ended; samples left in the spool: %d", result.queued)
        return result

    def before_fork(self) -> None:
        if self._spool is not None:
            self._spool.before_fork()

    def after_fork(self) -> None:
        if self._spool is not None:
            self._spool.after_fork()

    def leave_to_parent(self) -> None:
        """In a forked child, which must not touch what it inherited."""
        if self._spool is not None:
            self._spool.forget()

    def _join(self, timeout_s: float) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s + (_BOOKING_S if self._spool is None else _SAVING_S))

    def _is_running(self) -> bool:
        if self.intake.queue:  # calls wait, though there may have been no thread to be had
            self.intake.attend()
        return self._thread is not None and not self._sender.is_finished

    def _start_threads(self) -> bool:
        courier = threading.Thread(
            target=self._courier.run, name="watchkeeper-courier", daemon=True
        )
        sender = threading.Thread(target=self._sender.run, name="watchkeeper-sender", daemon=True)
        try:
            if self._courier_thread is None:
                courier.start()
                self._courier_thread = courier
            sender.start()
        except RuntimeError:  # no thread to be had: a limit, or the interpreter is ending
            self.troubles.tell("thread", "cannot start the sender's thread; calls wait")
            return False
        self._thread = sender
        lifecycle.close_with_worker_process()
        return True

    def _learn(self, answer: Mapping[str, Any]) -> None:
        self.collector.rates.update(answer.get("sample_rates"))


def _proxy_for(settings: Settings, troubles: Troubles) -> str | None:
    if not settings.enabled:
        return None
    proxy = proxy_of(settings.url, settings.proxy)
    if proxy is None or is_usable(proxy):
        return proxy
    troubles.tell("proxy", "the proxy that the environment names is no HTTP proxy; it is not used")
    return None


def _spool_of(settings: Settings, troubles: Troubles) -> Spool | None:
    if settings.spool is None or not settings.enabled:
        return None
    # Not before it is wanted: importing SQLite takes its time, and some Pythons lack it
    from watchkeeper.spool import Spool, spool_identity

    return Spool(settings.spool, spool_identity(settings.url, settings.app), troubles)
