"""The API as a process of its own, as in production, and the memory that it takes."""

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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ("serve", "--port", str(port), "--processes", str(processes))
    process = subprocess.Popen(
        [sys.executable, "-m", "service", *command],
        env=os.environ | {"WATCHKEEPER_DATABASE_URL": database_url},
    )
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(port):
            assert process.poll() is None, "the API ended at once"
            assert time.monotonic() < deadline, "the API did not start"
        yield port, process
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


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        time.sleep(0.05)
        return False
