"""Our commands as real processes, for tests that kill them."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from tests.waiting import wait_for


def free_port() -> int:
    """A port that nobody listens on right now.

    Below those that the kernel hands out: while its server is dead, nobody else is given it, and
    no client that tries to reach it is connected to itself.
    """
    for port in random.SystemRandom().sample(range(20_000, 30_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def start(*command: str, **settings: str) -> subprocess.Popen[bytes]:
    """A `watchkeeper` command; whoever starts it stops it."""
    return subprocess.Popen([sys.executable, "-m", "service", *command], env=os.environ | settings)


@contextmanager
def running(*command: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `watchkeeper` command for the length of the block."""
    process = start(*command, **settings)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def start_api(port: int, **settings: str) -> subprocess.Popen[bytes]:
    """`watchkeeper serve`, ready to answer."""
    process = start("serve", "--port", str(port), **settings)
    wait_for(lambda: is_ready(port, process), within_s=60, what=f"the API on port {port}")
    return process


def is_ready(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether the API answers; fails where it has ended."""
    assert process.poll() is None, "the API ended by itself"
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False
