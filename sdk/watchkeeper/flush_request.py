"""What somebody waits for in `flush()`."""

from __future__ import annotations

import threading


class FlushRequest:
    """Done when no call up to number `target` waits any more, and no signal queued before."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.signal_target = 0
        self.done = threading.Event()
        self.complete = False
        self.is_new = True
        self.is_hastened = False

    def finish(self, *, complete: bool) -> None:
        """The first answer holds."""
        if not self.done.is_set():
            self.complete = complete
            self.done.set()
