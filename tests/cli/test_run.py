"""The service as real processes: started, stopped, killed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import Engine, text

from tests.processes import free_port, start
from tests.waiting import wait_for


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-up-"))
    folder.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def users_of(home: Path) -> list[psutil.Process]:
    """Every process of the service that was started on this data directory, and its server's."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            of_ours = process.environ().get("WATCHKEEPER_DATA_DIR") == str(home)
            of_server = process.cwd() == str(home / "postgres")
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if of_ours or of_server:
            found.append(process)
    return found


def run(*command: str, within_s: float = 60, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "service", *command],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=within_s,
    )


def start_up(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    port = free_port()
    up = start("up", "--port", str(port), WATCHKEEPER_DATA_DIR=str(home))
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: answers(f"{url}/readyz"), within_s=90, what="the API")
    return up, url


def link_of(ready: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:[1-9]\d+", ready)
    assert found, f"no address in: {ready}"
    return found[0]


@pytest.fixture
def heard_up(home: Path) -> Iterator[subprocess.Popen[str]]:
    """`up` on any free port, with what it says; stopped in order at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "service", "up", "--port", "0"],
        env=os.environ | {"WATCHKEEPER_DATA_DIR": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        yield up
        up.terminate()
        assert up.wait(60) == 0
        assert users_of(home) == []


def test_up_says_where_it_is_once_it_answers_and_links_lead_there(
    home: Path, heard_up: subprocess.Popen[str]
) -> None:
    assert heard_up.stdout is not None
    url = link_of(heard_up.stdout.readline())
    assert answers(f"{url}/readyz")
    assert str(home) in heard_up.stdout.readline(), "where its data is"
    parts = psutil.Process(heard_up.pid).children()
    assert url in {part.environ().get("WATCHKEEPER_PUBLIC_URL") for part in parts}
    second = run("up", "--port", url.rpartition(":")[2], WATCHKEEPER_DATA_DIR=str(home))
    assert_port_refused(second)
    assert answers(f"{url}/readyz"), "the first one is not disturbed"


def assert_port_refused(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 1
    assert "in use. Choose another one with --" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "command", [("up", "--port"), ("serve", "--port"), ("work", "--metrics-port")]
)
def test_a_port_that_is_taken_is_one_line_before_anything_is_started(
    home: Path, command: tuple[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_port_refused(run(*command, str(port), WATCHKEEPER_DATA_DIR=str(home)))
    assert list(home.iterdir()) == []


def test_an_address_that_is_not_of_this_machine_is_one_line(home: Path) -> None:
    ended = run("serve", "--host", "192.0.2.1", WATCHKEEPER_DATA_DIR=str(home))
    assert ended.returncode == 1
    assert "Set --host to an address of this machine" in ended.stderr


def test_a_database_of_a_newer_version_is_refused_by_migrate_too(
    engine: Engine, database_url: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (("migrate",), ("up", "--port", "0")):
        ended = run(*command, WATCHKEEPER_DATABASE_URL=database_url)
        assert ended.returncode == 1
        assert "newer Watchkeeper; start that version" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_data_directory_that_cannot_be_used_is_one_line(home: Path) -> None:
    (home / "file").touch()
    ended = run("migrate", WATCHKEEPER_DATA_DIR=str(home / "file"))
    assert ended.returncode == 1
    assert "is not a directory" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_starts_everything_and_leaves_nothing_behind(home: Path, number: int) -> None:
    up, url = start_up(home)
    assert answers(url)
    assert len(users_of(home)) >= 4, "up, API, worker and PostgreSQL"
    up.send_signal(number)
    assert up.wait(60) == 0
    assert users_of(home) == []


def test_after_a_kill_of_up_its_parts_end_by_themselves(home: Path) -> None:
    up, _ = start_up(home)
    up.kill()
    up.wait()
    wait_for(lambda: not users_of(home), within_s=60, what="the end of API, worker and PostgreSQL")
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_serving_a_database_that_is_behind_is_refused_in_one_line(
    engine: Engine, database_url: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    for command in (("serve", "--port", "0"), ("work",)):
        settings = {"WATCHKEEPER_DATABASE_PATIENCE_S": "0"}
        ended = run(*command, WATCHKEEPER_DATABASE_URL=database_url, **settings)
        assert ended.returncode == 1
        assert "Run: watchkeeper migrate" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_an_unreachable_database_is_named_without_its_password() -> None:
    url = f"postgresql://me:s3cret@127.0.0.1:{free_port()}/watchkeeper"
    ended = run("migrate", WATCHKEEPER_DATABASE_URL=url)
    assert ended.returncode == 1
    assert "Cannot connect" in ended.stderr
    assert "s3cret" not in ended.stderr + ended.stdout
