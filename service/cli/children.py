"""Our own commands as child processes: they end with us, however we end."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from service.errors import WatchkeeperError


class ChildEndedError(WatchkeeperError):
    """A part of the service ended by itself."""


Children = dict[str, subprocess.Popen[bytes]]
_PATIENCE_S = 30.0
"""For a child that was asked to stop; more than serving (10 s) and delivering (10 s) take."""


@contextmanager
def children(
    *commands: tuple[str, ...],
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> Iterator[Children]:
    """Our commands as child processes; they end with the block, and with us however we end.

    Args:
        commands: as on the command line.
        environment: all of theirs; None is ours.
        output: a file for whatever they say; None is where we say things.
    """
    running: Children = {}
    seen: Counter[str] = Counter()
    try:
        for command in commands:
            seen[command[0]] += 1
            name = command[0] if seen[command[0]] == 1 else f"{command[0]} {seen[command[0]]}"
            running[name] = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "service", *command, "--until-stdin-closes"],
                stdin=subprocess.PIPE,
                # A Ctrl-C is for the parent: it stops its children in order.
                start_new_session=True,
                env=environment,
                stdout=output,
                stderr=output,
            )
        yield running
    finally:
        for child in running.values():
            child.terminate()
        for child in running.values():
            _await_end(child)


def _await_end(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()  # nothing acknowledged is lost by that
        child.wait()


def watch(running: Children) -> threading.Event:
    """An event that is set on SIGTERM, on Ctrl-C and when a child ends by itself."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    for child in running.values():
        threading.Thread(target=_announce_end, args=(child, ended), daemon=True).start()
    return ended


def _announce_end(child: subprocess.Popen[bytes], ended: threading.Event) -> None:
    child.wait()
    ended.set()


def require_running(running: Children) -> None:
    """
    Raises:
        ChildEndedError: A child ended by itself.
    """
    for name, child in running.items():
        if child.poll() is not None:
            raise ChildEndedError(
                f"'{name}' ended with exit code {child.returncode}; its last lines above say why"
            )
