"""Waiting, with an eye on all that can happen meanwhile: a signal, a message, the end of a time."""

import signal
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from time import monotonic
from types import FrameType
from typing import Any

Message = Mapping[str, Any]
_LOOK_EVERY_S = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAskedError(Exception):
    """Somebody pressed Ctrl-C, or the time is over."""


class Happenings:
    """The main thread waits here and nowhere else, so it can stop between any two steps.

    A signal never breaks into a step, which might then leave a process or a folder behind.

    Args:
        on_message: Called on the waiting thread, for what others `put` from theirs.
        on_stop: Called once, when the waiting ends and the clearing up begins.
        seconds: When to stop, if nobody asks; counted from here.

    `check` is called at least twice a second while waiting; it may raise.
    """

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_stop: Callable[[], None],
        *,
        seconds: float | None = None,
    ) -> None:
        self._on_message = on_message
        self._on_stop = on_stop
        self.check: Callable[[], None] = lambda: None
        self._ends_at = None if seconds is None else monotonic() + seconds
        self._stop_asked = False
        # SimpleQueue, because a signal handler may put into it while the same thread takes.
        self._arrived: SimpleQueue[Message | None] = SimpleQueue()

    def heed_signals(self) -> None:
        """From now on Ctrl-C and its like are heard when we wait, and only then."""
        for number in _SIGNALS:
            signal.signal(number, self._ask_to_stop)

    def put(self, message: Message) -> None:
        """A message has arrived; from any thread."""
        self._arrived.put(message)

    def pause(self, seconds: float = 0) -> None:
        """Wait this long.

        Raises:
            StopAskedError: Now or while nobody waited.
        """
        until = monotonic() + seconds
        while True:
            self._raise_if_over()
            left = max(0.0, min(until - monotonic(), _LOOK_EVERY_S))
            try:
                message = self._arrived.get(timeout=left)
            except Empty:
                if monotonic() >= until:
                    return
            else:
                if message is not None:
                    self._on_message(message)

    def _raise_if_over(self) -> None:
        if self._stop_asked or (self._ends_at is not None and monotonic() >= self._ends_at):
            self._on_stop()
            raise StopAskedError
        self.check()

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True
        self._arrived.put(None)
