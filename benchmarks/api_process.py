"""Our processes as in production, each one of its own, and the memory that they take."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil


@contextmanager
def api_running(
    database_url: str, *, processes: int
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Its port and its (parent) process."""
    command = ("service", "serve", "--processes", str(processes))
    with _serving(*command, WATCHKEEPER_DATABASE_URL=database_url) as (port, process):
        yield port, process


@contextmanager
def worker_running(database_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker; the database has to be migrated."""
    with _ended_after("service", "work", WATCHKEEPER_DATABASE_URL=database_url) as process:
        yield process


@contextmanager
def bare_app_running() -> Iterator[int]:
    """The port of an application that does nothing, on the same HTTP server, in one process."""
    options = ("--loop", "uvloop", "--http", "httptools", "--log-level", "warning")
    with _serving("uvicorn", "benchmarks.bare_app:app", *options, "--no-access-log") as (port, _):
        yield port


@contextmanager
def _serving(
    module: str, *command: str, **environment: str
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with _ended_after(module, *command, "--port", str(port), **environment) as process:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None, "it ended at once"
            assert time.monotonic() < deadline, "it did not start"
        yield port, process


@contextmanager
def _ended_after(
    module: str, *command: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *command], env=os.environ | environment
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def memory_watched(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """The largest resident memory of one of its processes so far, in bytes."""
    peak, ended = [0], threading.Event()
    parent = psutil.Process(process.pid)

    def watch() -> None:
        while not ended.wait(0.02):
            with suppress(psutil.NoSuchProcess):
                of_all = [parent, *parent.children()]
                peak[0] = max(peak[0], *(each.memory_info().rss for each in of_all))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).is_success
    except httpx.HTTPError:
        time.sleep(0.05)
        return False
