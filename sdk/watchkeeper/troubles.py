"""The SDK's own troubles: to the logger `watchkeeper`, seldom, and never with anything secret."""

from __future__ import annotations

import contextlib
import logging
import time

_log = logging.getLogger("watchkeeper")
_SILENCE_S = 60.0


class Troubles:
    """One line per kind and minute. Callers pass types, counts and statuses: no text of the app,
    no text of the server (it may quote the app's), no key."""

    def __init__(self) -> None:
        self._last_told: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def tell(self, kind: str, message: str, *args: object) -> None:
        now = time.monotonic()
        if now - self._last_told.get(kind, -_SILENCE_S) < _SILENCE_S:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return
        self._last_told[kind] = now
        hidden = self._suppressed.pop(kind, 0)
        more = f" ({hidden} more like this since the last line)" if hidden else ""
        with contextlib.suppress(Exception):  # a log handler of the app's must not stop the sender
            _log.warning(message + more, *args)
