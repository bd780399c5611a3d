import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text

from service.store.embedded import EmbeddedServer, EmbeddedServerError
from tests.waiting import wait_for

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-embedded-"))
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
    with engine.begin() as connection:
        result = connection.execute(text(question))
        answer = result.scalar() if result.returns_rows else None
    engine.dispose()
    return answer


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


def test_a_start_that_died_half_way_is_begun_anew(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "half").write_text("written")
    with EmbeddedServer(home, durable=False) as server:
        assert ask(server) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another account")
def test_root_is_told_which_directory_bars_the_way(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    with (
        pytest.raises(EmbeddedServerError, match=f"chmod o\\+x {home}"),
        EmbeddedServer(closed / "data"),
    ):
        pass


def test_a_long_path_gets_a_short_socket(home: Path) -> None:
    home.chmod(0o711)
    deep = home / ("d" * 90)
    with EmbeddedServer(deep, durable=False) as server:
        assert ask(server) == 1
