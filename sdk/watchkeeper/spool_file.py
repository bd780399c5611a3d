"""One file of a spool: the batches of one process, in SQLite.

WAL with synchronous=NORMAL: a batch is in the file once `insert()` has returned, as far as the
process is concerned, and may be killed. A machine that crashes may lose what its kernel had not
written yet (the batches of the last half minute, by Linux's defaults), never what came before:
the file stays whole. FULL would wait for the disk at every batch, on a thread that has calls to
collect; and nearly all batches are answered, and so not needed any more, within that time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable

from watchkeeper.batches import Batch
from watchkeeper.file_lock import FileLock

_VACUUM_PAGES = 256  # free ones, of 4 KB; fewer are left for the next batches
_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL UNIQUE,
    samples INTEGER NOT NULL,
    signals INTEGER NOT NULL,
    row_calls TEXT NOT NULL,
    body BLOB NOT NULL
)
"""


class SpoolFile:
    """Whoever makes one holds its lock. Its methods raise sqlite3.Error and OSError."""

    def __init__(self, path: str, lock: FileLock) -> None:
        self._path = path
        self._lock = lock
        self._connection: sqlite3.Connection | None = None

    def insert(self, batches: Iterable[Batch]) -> None:
        """All or none. One that is there already stays as it is."""
        with self._open() as connection:
            connection.execute("BEGIN")
            _insert(connection, batches)

    def replace(self, batch_id: str, successors: Iterable[Batch]) -> None:
        with self._open() as connection:
            connection.execute("BEGIN")
            _insert(connection, successors)
            connection.execute("DELETE FROM batches WHERE batch_id = ?", (batch_id,))

    def body_of(self, batch_id: str) -> bytes | None:
        query = "SELECT body FROM batches WHERE batch_id = ?"
        row = self._open().execute(query, (batch_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def oldest(self, limit: int) -> list[Batch]:
        rows = self._open().execute(
            "SELECT batch_id, body, samples, signals, row_calls FROM batches "
            "ORDER BY place LIMIT ?",
            (limit,),
        )
        return [
            Batch(batch_id, bytes(body), samples, signals, tuple(json.loads(row_calls)), None, None)
            for batch_id, body, samples, signals, row_calls in rows
        ]

    def rewrite(self, batch: Batch) -> None:
        self._open().execute(
            "UPDATE batches SET body = ?, samples = ? WHERE batch_id = ?",
            (batch.body, batch.samples, batch.batch_id),
        )

    def remove(self, batch_ids: Iterable[str]) -> None:
        with self._open() as connection:
            connection.execute("BEGIN")
            connection.executemany(
                "DELETE FROM batches WHERE batch_id = ?", [(batch_id,) for batch_id in batch_ids]
            )
        free = self._open().execute("PRAGMA freelist_count").fetchone()[0]
        if free >= _VACUUM_PAGES and self.is_empty:
            # Not execute(), which would step only once, and free one page
            self._open().executescript("PRAGMA incremental_vacuum")

    @property
    def is_empty(self) -> bool:
        return self._open().execute("SELECT 1 FROM batches LIMIT 1").fetchone() is None

    def disconnect(self) -> None:
        """The next use connects again. Held still: the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Leaves the file to whoever adopts it."""
        with contextlib.suppress(sqlite3.Error):
            self.disconnect()
        self._lock.close()

    def delete(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.disconnect()
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(self._path + ending)
        self._lock.close_for_ever()

    def set_aside(self) -> None:
        """Under a name that nobody adopts: a file that cannot be read."""
        with contextlib.suppress(sqlite3.Error):
            self.disconnect()
        with contextlib.suppress(OSError):
            os.replace(self._path, self._path + ".broken")
        self.delete()

    def forget(self) -> None:
        """In a forked child: the file is the parent's."""
        self._lock.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self._path)
        return self._connection


def _insert(connection: sqlite3.Connection, batches: Iterable[Batch]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO batches (batch_id, samples, signals, row_calls, body) "
        "VALUES (?, ?, ?, ?, ?)",
        [
            (batch.batch_id, batch.samples, batch.signals, json.dumps(batch.row_calls), batch.body)
            for batch in batches
        ],
    )


def _connect(path: str) -> sqlite3.Connection:
    # Made here, as SQLite would make it readable for everybody
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # Used by one thread at a time, but closed before a fork by whichever thread forks
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive: nobody else may read it anyway, and WAL needs no shared memory then
        for pragma in (
            "auto_vacuum = INCREMENTAL",
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "journal_size_limit = 4194304",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
