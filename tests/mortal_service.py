"""PostgreSQL, API and worker of one test, to be killed at any moment and started again."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from service.store.embedded import EmbeddedServer
from service.store.schema import migrate
from tests.processes import free_port, start, start_api
from tests.waiting import wait_for

PARTS = ("postgres", "api", "worker")
"""In the order in which they can be started."""


class MortalService:
    """Killed means SIGKILL; of PostgreSQL: to its postmaster, whose children are left to notice."""

    def __init__(self, home: Path, handles: ExitStack, **settings: str) -> None:
        self._home = home
        self._handles = handles
        self._port = free_port()
        url = EmbeddedServer(home).url
        self._settings = {"WATCHKEEPER_DATABASE_URL": url} | settings
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._alive: set[str] = set()
        self.url = f"http://127.0.0.1:{self._port}"
        # Without a pool: no connection of it has been through a kill.
        self.engine: Engine = create_engine(url, poolclass=NullPool)

    def start(self, part: str) -> None:
        """Start what is not running; PostgreSQL and the API are ready when this returns."""
        if part == "postgres":
            self._handles.enter_context(EmbeddedServer(self._home))
        elif part == "api":
            self._processes[part] = start_api(self._port, **self._settings)
        else:
            self._processes[part] = start("work", **self._settings)
        self._alive.add(part)

    def kill(self, part: str) -> None:
        """It does nothing any more when this returns."""
        self._alive.discard(part)
        if part == "postgres":
            pid = int((self._home / "postgres" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: _has_ended(pid), what="the end of the postmaster")
        else:
            process = self._processes.pop(part)
            process.kill()
            process.wait()

    @contextmanager
    def answers_withheld(self) -> Iterator[None]:
        """Inside, at least one batch is committed, and whoever sent it does not know.

        Commits wait for a standby that there is not, with their records on disk already.
        """
        self._administer("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        self._administer("SELECT pg_reload_conf()")
        wait_for(self._is_commit_unanswered, what="a commit without an answer")
        # Not heeded before the next look at the settings, be it by another postmaster.
        self._administer("ALTER SYSTEM RESET synchronous_standby_names")
        yield
        if "postgres" in self._alive:
            self._administer("SELECT pg_reload_conf()")

    def _administer(self, statement: str) -> None:
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))

    def _is_commit_unanswered(self) -> bool:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid)"
            " WHERE wait_event = 'SyncRep' AND relation = 'ingest_batches'::regclass"
        )
        with self.engine.connect() as connection:
            return bool(connection.scalar(waiting))

    def supervise(self) -> None:
        """Start a worker again that has ended by itself: PostgreSQL was away when it started."""
        worker = self._processes.get("worker")
        if worker is not None and worker.poll() is not None:
            self.start("worker")

    def end(self) -> None:
        """Of the processes that are ours; PostgreSQL ends with its last handle."""
        for part in list(self._processes):
            self.kill(part)


@contextmanager
def mortal_service(**settings: str) -> Iterator[MortalService]:
    """All of it running, on a migrated, empty and durable database of its own."""
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-mortal-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        with ExitStack() as handles:
            service = MortalService(home, handles, **settings)
            service.start("postgres")
            migrate(service.engine)
            try:
                for part in PARTS[1:]:
                    service.start(part)
                yield service
            finally:
                service.end()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
