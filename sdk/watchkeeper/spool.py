"""The spool: a directory in which batches outlive the process that made them."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
import uuid
from collections.abc import Sequence
from hashlib import blake2b
from math import inf
from pathlib import Path
from typing import Callable, TypeVar

from watchkeeper.batches import Batch
from watchkeeper.file_lock import take_lock
from watchkeeper.spool_file import SpoolFile
from watchkeeper.troubles import Troubles

_Result = TypeVar("_Result")
_ADOPTED_AT_ONCE = 16  # batches; the sender looks after its own calls in between
_SCAN_INTERVAL_S = 60.0
_REST_AFTER_FAULT_S = 30.0  # a full disk may have room again
_FORK_PATIENCE_S = 5.0  # a write takes milliseconds; the app is not to hang with its disk


class Spool:
    """A file of its own for each process, and the files of those that ended.

    Nothing here raises: what cannot be saved stays in memory, and the logger is told so once.
    Used by the sender's thread, but for the methods about forks.
    """

    def __init__(self, folder: str, identity: str, troubles: Troubles) -> None:
        self._folder = Path(folder)
        self._prefix = identity
        self._troubles = troubles
        self._own: SpoolFile | None = None
        self._dead: SpoolFile | None = None
        self._rests_until = 0.0
        self._scan_at = 0.0
        self._is_told = False
        # Held during every use of SQLite, so that no fork comes in the middle of one: the child
        # would inherit locks inside the library that nobody gives back.
        self._guard = threading.Lock()
        self._is_paused = False

    @property
    def is_working(self) -> bool:
        return time.monotonic() >= self._rests_until

    @property
    def adopt_at(self) -> float:
        """When to call `adopt()` again."""
        return max(self._scan_at, self._rests_until)

    def save(self, batch: Batch) -> bool:
        def insert() -> bool:
            self._own_file().insert([batch])
            return True

        return self._safely(insert) or False

    def load(self, batch_id: str) -> bytes | None:
        return self._safely(lambda: self._own_file().body_of(batch_id))

    def rewrite(self, batch: Batch) -> bool:
        def update() -> bool:
            self._own_file().rewrite(batch)
            return True

        return self._safely(update) or False

    def replace(self, batch_id: str, successors: Sequence[Batch]) -> bool:
        """All or nothing: no crash leaves the batch beside its successors."""

        def exchange() -> bool:
            self._own_file().replace(batch_id, successors)
            return True

        return self._safely(exchange) or False

    def remove(self, batch_id: str) -> None:
        self._safely(lambda: self._own_file().remove([batch_id]))

    def adopt(self) -> list[Batch]:
        """Some batches of a process that ended, moved into our own file; none where no such file
        is left. A crash in the middle leaves them in both, under ids that the server knows."""
        return self._safely(self._adopt_some) or []

    def close(self) -> None:
        with self._guard:
            for file in (self._own, self._dead):
                if file is not None:
                    with contextlib.suppress(sqlite3.Error, OSError):
                        if file.is_empty:
                            file.delete()
                    file.close()
            self._own = self._dead = None
            self._rests_until = self._scan_at = inf

    def before_fork(self) -> None:
        """A child must neither use nor close a connection of its parent's: there is none."""
        if self._guard.acquire(timeout=_FORK_PATIENCE_S):
            self._is_paused = True
            for file in (self._own, self._dead):
                if file is not None:
                    with contextlib.suppress(sqlite3.Error):
                        file.disconnect()

    def after_fork(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._guard.release()

    def forget(self) -> None:
        """In the child."""
        for file in (self._own, self._dead):
            if file is not None:
                file.forget()

    def _own_file(self) -> SpoolFile:
        if self._own is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{self._prefix}-{time.time_ns()}-{uuid.uuid4().hex}.db"
            lock = take_lock(str(path.with_suffix(".lock")))
            if lock is None:
                raise OSError("the file system has no locks")
            self._own = SpoolFile(str(path), lock)
        return self._own

    def _adopt_some(self) -> list[Batch]:
        while time.monotonic() >= self._scan_at:
            if self._dead is None:
                self._dead = self._find_dead()
            if self._dead is None:
                self._scan_at = time.monotonic() + _SCAN_INTERVAL_S
                break
            batches = self._read(self._dead)
            if batches is None:
                self._dead = None
                continue
            if batches:
                self._own_file().insert(batches)
                self._dead.remove([batch.batch_id for batch in batches])
                return batches
            self._dead.delete()
            self._dead = None
        return []

    def _read(self, dead: SpoolFile) -> list[Batch] | None:
        """None where it cannot be read, which is no fault of our own file."""
        try:
            return dead.oldest(_ADOPTED_AT_ONCE)
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            dead.set_aside()
            self._troubles.tell(
                "adopt", "a spool file cannot be read (%s): renamed *.broken", _kind(error)
            )
            return None

    def _find_dead(self) -> SpoolFile | None:
        found = [*self._folder.glob(f"{self._prefix}-*.db")]
        found += self._folder.glob(f"{self._prefix}-*.lock")
        for path in sorted({path.with_suffix(".db") for path in found}):  # the oldest first
            try:
                lock = take_lock(str(path.with_suffix(".lock")))
            except OSError:
                continue  # another user's
            if lock is not None and path.exists():
                return SpoolFile(str(path), lock)
            if lock is not None:
                lock.close_for_ever()
        return None

    def _safely(self, work: Callable[[], _Result]) -> _Result | None:
        with self._guard:
            try:
                return work()
            except (sqlite3.Error, OSError) as error:
                if self._own is not None and _is_corrupt(error):
                    self._own.set_aside()
                    self._own = None
                self._rests_until = time.monotonic() + _REST_AFTER_FAULT_S
                if not self._is_told:
                    self._is_told = True
                    self._troubles.tell(
                        "spool",
                        "the spool fails (%s): what cannot be saved waits in memory",
                        _kind(error),
                    )
                return None


def spool_identity(url: str, app: str) -> str:
    """Files of one app for one server: another app's key could not send what they hold."""
    return blake2b(f"1\0{url.rstrip('/')}\0{app}".encode(), digest_size=8).hexdigest()


def _is_corrupt(error: Exception) -> bool:
    # The classes derived from it say that the disk is full, the file cannot be opened ...
    return type(error) is sqlite3.DatabaseError


def _kind(error: Exception) -> str:
    # What SQLite and the system say holds no text of the app's
    return f"{type(error).__name__}: {error}"
