"""Waiting for a condition, with a deadline; never for a time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found], *, within_s: float = 30, what: str) -> Found:
    """The first true value of `condition`; fails with a sentence where there is none in time."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {within_s} s in vain for: {what}"
        pause.wait(0.05)
    return found
