"""The client behind the functions of the module: `watchkeeper.init()`, then `watchkeeper.record()`.

Everything looks the client up when it is called, not when it is defined: `@watchkeeper.observe`
and `watchkeeper.wrap` may well come before `init()`.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any, cast

from watchkeeper.capture import Capture
from watchkeeper.client import Watchkeeper
from watchkeeper.ledger import FlushResult, Stats
from watchkeeper.settings import stated_by_environment

_log = logging.getLogger("watchkeeper")
_NEEDED = ("url", "api_key", "app")


class DefaultClient(Capture):
    """Passes everything on to the client that `init()` made, or the environment describes. Where
    neither does, nothing is done, and the log says so once: no app fails for want of monitoring."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._client: Watchkeeper | None = None
        self._has_told = False
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(after_in_child=self._renew_lock)

    def init(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        app: str | None = None,
        environment: str | None = None,
        release: str | None = None,
        **options: Any,
    ) -> Watchkeeper:
        """Makes the client that the functions of the module use, and returns it.

        What is not given is taken from WATCHKEEPER_URL, WATCHKEEPER_API_KEY, WATCHKEEPER_APP,
        WATCHKEEPER_ENVIRONMENT and WATCHKEEPER_RELEASE; options: as `Watchkeeper` takes them.
        A client that was made before is shut down. Raises ValueError on a wrong value; if there
        is no address, key or app at all, nothing will be recorded, and the log says so.
        """
        given = {
            "url": url,
            "api_key": api_key,
            "app": app,
            "environment": environment,
            "release": release,
        }
        stated = {name: value for name, value in given.items() if value is not None}
        with self._lock:
            made = self._made({**stated_by_environment(), **stated}, options)
            former, self._client = self._client, made
        if former is not None:
            former.shutdown(2.0)
        return made

    def record(self, task: str, **fields: Any) -> None:
        self._found().record(task, **fields)

    def signal(self, *args: Any, **kwargs: Any) -> None:
        self._found().signal(*args, **kwargs)

    def flush(self, timeout: float | None = 10.0) -> FlushResult:
        return self._found().flush(timeout)

    def stats(self) -> Stats:
        return self._found().stats()

    def shutdown(self, timeout: float = 10.0) -> FlushResult:
        return self._found().shutdown(timeout)

    def _renew_lock(self) -> None:
        # A thread of the parent that held it is not there to give it back
        self._lock = threading.RLock()

    def _found(self) -> Watchkeeper:
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._from_environment()
        return self._client

    def _from_environment(self) -> Watchkeeper:
        try:
            return self._made(stated_by_environment(), {})
        except ValueError as error:  # nobody called init(), so that nobody awaits it
            _log.warning("not configured, nothing is recorded: %s", error)
            return _disabled()

    def _made(self, stated: dict[str, str], options: dict[str, Any]) -> Watchkeeper:
        missing = [name for name in _NEEDED if not stated.get(name)]
        if missing and options.get("enabled", True):
            if not self._has_told:
                self._has_told = True
                _log.warning(
                    "not configured, nothing is recorded: call watchkeeper.init() or set "
                    "WATCHKEEPER_URL, WATCHKEEPER_API_KEY and WATCHKEEPER_APP; missing: %s",
                    ", ".join(missing),
                )
            return _disabled()
        return Watchkeeper(**{"url": "", "api_key": "", "app": "-", **stated, **options})

    def _is_on(self) -> bool:
        return True

    def _note_failed_source(self, field: str, error: Exception) -> None:
        self._found()._note_failed_source(field, error)

    def _note_unread(self, field: str, error: Exception) -> None:
        self._found()._note_unread(field, error)

    def _note_unknown_client(self, kind: type) -> None:
        self._found()._note_unknown_client(kind)


def _disabled() -> Watchkeeper:
    return Watchkeeper("", "", app="-", enabled=False)


_default = DefaultClient()
_typed = cast(Watchkeeper, _default)  # its functions have the arguments of the client's

init = _default.init
record = _typed.record
observe = _default.observe
call = _default.call
current_call = _default.current_call
wrap = _default.wrap
session = _default.session
context = _default.context
signal = _typed.signal
flush = _default.flush
stats = _default.stats
shutdown = _default.shutdown
