"""A lock that a process loses by ending, however it ends."""

from __future__ import annotations

import contextlib
import os
import sys

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # Of the open file, not of the process as lockf(): two clients of one process exclude
        # each other, and closing the file elsewhere does not lose it
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held until `close()`. A forked child inherits it, and must let go of it by `close()` too."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def close_for_ever(self) -> None:
        self.close()  # first: Windows removes no open file
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def take_lock(path: str) -> FileLock | None:
    """None where somebody else holds it. Raises OSError where the file cannot be made."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        # Whoever held it may have removed the file between our opening and locking it
        found, held = os.stat(path), os.fstat(descriptor)
        if (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino):
            return FileLock(path, descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None
