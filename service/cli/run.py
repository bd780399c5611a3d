"""`watchkeeper serve`, `work` and `up`: the running service."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Annotated

import typer
from prometheus_client import start_http_server
from sqlalchemy import Engine

from service import telemetry
from service.app import serve_api
from service.errors import WatchkeeperError
from service.settings import Settings, read_settings
from service.store.engine import connect_engine, require_reachable
from service.store.schema import migrate, require_current
from service.wiring import build_api, open_bench
from service.worker import run_worker

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]
UntilStdinCloses = Annotated[
    bool, typer.Option(hidden=True, help="Stop when standard input closes: when the parent dies.")
]


class ChildEndedError(WatchkeeperError):
    """A part of the service ended by itself."""


def serve(
    host: Host = "127.0.0.1", port: Port = 8000, until_stdin_closes: UntilStdinCloses = False
) -> None:
    """Run the API and the pages."""
    with _current_database(until_stdin_closes) as (engine, settings):
        serve_api(build_api(engine, settings), host=host, port=port)


def work(
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics on 127.0.0.1 at this port.")
    ] = None,
    until_stdin_closes: UntilStdinCloses = False,
) -> None:
    """Run a worker: scoring, SLOs, drift, notifications. Several may run at once."""
    if metrics_port is not None:
        start_http_server(metrics_port, addr="127.0.0.1")
    with (
        _current_database(until_stdin_closes) as (engine, settings),
        open_bench(engine, settings) as bench,
    ):
        run_worker(bench)


def up(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run everything here: database (embedded unless configured), migration, API and a worker."""
    settings = read_settings()
    with connect_engine(settings) as engine:
        require_reachable(engine)
        migrate(engine)
        with children(("serve", "--host", host, "--port", str(port)), ("work",)) as running:
            typer.echo(f"Watchkeeper runs at http://{host}:{port}  (Ctrl-C stops it)")
            wait_for_any(running)


@contextmanager
def _current_database(until_stdin_closes: bool) -> Iterator[tuple[Engine, Settings]]:
    telemetry.configure_logs()
    settings = read_settings()
    # By default SIGTERM ends the process on the spot, also when uvicorn has stopped in order and
    # raises it again: the embedded database would never be stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_stdin, daemon=True).start()
    with connect_engine(settings) as engine:
        require_reachable(engine)
        require_current(engine)
        yield engine, settings


def _stop_at_end_of_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


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
    try:
        for command in commands:
            running[command[0]] = subprocess.Popen(  # noqa: S603 - our own command
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


def _announce_end(child: subprocess.Popen[bytes], ended: threading.Event) -> None:
    child.wait()
    ended.set()


def wait_for_any(running: Children) -> None:
    """Return on SIGTERM or Ctrl-C.

    Raises:
        ChildEndedError: A child ended by itself.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    for child in running.values():
        threading.Thread(target=_announce_end, args=(child, ended), daemon=True).start()
    ended.wait()
    require_running(running)


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
