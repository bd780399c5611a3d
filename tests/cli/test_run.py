"""The service as real processes: started, stopped, killed."""

import os
import shutil
import signal
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


def start_up(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    port = free_port()
    up = start("up", "--port", str(port), WATCHKEEPER_DATA_DIR=str(home))
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: answers(f"{url}/readyz"), within_s=90, what="the API")
    return up, url


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
    for command in ("serve", "work"):
        ended = subprocess.run(
            [sys.executable, "-m", "service", command],
            env=os.environ | {"WATCHKEEPER_DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 1
        assert "Run: watchkeeper migrate" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_an_unreachable_database_is_named_without_its_password() -> None:
    url = f"postgresql://me:s3cret@127.0.0.1:{free_port()}/watchkeeper"
    ended = subprocess.run(
        [sys.executable, "-m", "service", "migrate"],
        env=os.environ | {"WATCHKEEPER_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "Cannot connect" in ended.stderr
    assert "s3cret" not in ended.stderr + ended.stdout
