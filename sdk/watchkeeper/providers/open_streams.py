"""Streams that the app has neither read to the end nor closed when the process ends."""

from __future__ import annotations

import atexit
import os
from typing import Protocol


class OpenStream(Protocol):
    def abandoned(self) -> None: ...
    def disown(self) -> None: ...


_open: set[OpenStream] = set()
_installed: list[bool] = []


def keep(stream: OpenStream) -> None:
    """Until `release()`. The garbage collector may never come by before the process ends."""
    if not _installed:
        _installed.append(True)
        # Later than the client's own, so that it runs before: what is recorded here is still sent
        atexit.register(_end_all)
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(after_in_child=_disown_all)
    _open.add(stream)


def release(stream: OpenStream) -> None:
    _open.discard(stream)


def _disown_all() -> None:
    while _open:
        _open.pop().disown()


def _end_all() -> None:
    for stream in list(_open):
        stream.abandoned()
