"""A bell for one sleeping thread."""

from __future__ import annotations

import contextlib
import threading
import time


class Wake:
    """Like an Event with one waiter, on a bare lock.

    Ringing is one call into C: it never waits, and a signal handler or a finalizer that
    interrupts it and rings too cannot deadlock, as it could inside `Event.set()`.
    """

    def __init__(self) -> None:
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # rung already
            self._asleep.release()

    def wait(self, timeout_s: float) -> None:
        """Returns at once if it was rung since the last wait."""
        # 1 h: far below threading.TIMEOUT_MAX, beyond which acquire() raises
        self._asleep.acquire(timeout=min(max(timeout_s, 0.0), 3600.0))


def give_way() -> None:
    """Lets the app's threads run; called by ours after a millisecond of work at most, as otherwise
    they would wait for the interpreter's whole switch interval, five times as long. A pause of no
    time at all would have the lock back before any of them woke up."""
    time.sleep(0.000_05)
