"""`watchkeeper serve`, `work` and `up`: the running service."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated

import httpx
import structlog
import typer
from prometheus_client import start_http_server
from sqlalchemy import Engine

from service import telemetry
from service.app import serve_api
from service.cli.children import children, require_running, watch
from service.cli.open_database import wait_for_database
from service.cli.ports import listen, url_of, usable_port
from service.errors import UnavailableError
from service.settings import Settings, environment, read_settings
from service.store.engine import STATEMENT_TIMEOUT, connect_engine, require_reachable
from service.store.schema import migrate
from service.waiting import wait_until_set
from service.wiring import METRICS_FOLDER, build_api, open_bench
from service.worker import run_worker

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Processes = Annotated[
    int, typer.Option(min=1, max=64, help="API processes that share the port; one a core at most.")
]
SharePort = Annotated[
    bool, typer.Option(hidden=True, help="Listen beside other processes on the same port.")
]
UntilStdinCloses = Annotated[
    bool, typer.Option(hidden=True, help="Stop when standard input closes: when the parent dies.")
]
_READY_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.1
_log = structlog.get_logger()


class SlowStartError(UnavailableError):
    """The API did not become ready."""


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    processes: Processes = 1,
    share_port: SharePort = False,
    until_stdin_closes: UntilStdinCloses = False,
) -> None:
    """Run the API and the pages.

    At its start it waits for the database, and for `watchkeeper migrate` to have been through it:
    WATCHKEEPER_DATABASE_PATIENCE_S seconds, 60 unless set.
    """
    port = port if share_port else usable_port(host, port)
    with _current_database(until_stdin_closes) as (engine, settings):
        if share_port or processes == 1:
            _log.info("api_starts", url=url_of(host, port))
            serve_api(build_api(engine, settings), listen(host, port, shared=share_port))
            return
        with _metrics_in_common() as own:
            commands = _api_commands(host, port, processes)
            with children(*commands, environment={**environment(), **own}) as running:
                wait_until_set(watch(running))
                require_running(running)


def work(
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics on 127.0.0.1 at this port.")
    ] = None,
    until_stdin_closes: UntilStdinCloses = False,
) -> None:
    """Run a worker: scoring, SLOs, drift, notifications. Several may run at once.

    At its start it waits for the database, as `serve` does.
    """
    if metrics_port is not None:
        metrics_port = usable_port("127.0.0.1", metrics_port, option="--metrics-port")
        start_http_server(metrics_port, addr="127.0.0.1")
    with (
        _current_database(until_stdin_closes) as (engine, settings),
        open_bench(engine, settings) as bench,
    ):
        run_worker(bench)


def up(host: Host = "127.0.0.1", port: Port = 8000, processes: Processes = 1) -> None:
    """Run everything here: database (embedded unless configured), migration, API and a worker."""
    settings = read_settings()
    port = usable_port(host, port)
    url = url_of(host, port)
    own = {} if "public_url" in settings.model_fields_set else {"WATCHKEEPER_PUBLIC_URL": url}
    _leave_in_order_when_terminated()
    with connect_engine(settings) as engine, _metrics_in_common() as shared:
        require_reachable(engine)
        migrate(engine)
        commands = (*_api_commands(host, port, processes), ("work",))
        with children(*commands, environment={**environment(), **own, **shared}) as running:
            ended = watch(running)
            if _becomes_ready(url, ended):
                typer.echo(f"Watchkeeper runs at {url}  (Ctrl-C stops it)")
                typer.echo(f"Its data is in {_where_rows_are_kept(engine, settings)}")
            wait_until_set(ended)
            require_running(running)


def _api_commands(host: str, port: int, processes: int) -> list[tuple[str, ...]]:
    command = ("serve", "--host", host, "--port", str(port))
    return [command] if processes == 1 else [(*command, "--share-port")] * processes


@contextmanager
def _metrics_in_common() -> Iterator[dict[str, str]]:
    """The environment in which processes count together, whichever of them is asked."""
    with tempfile.TemporaryDirectory(prefix="watchkeeper-metrics-") as folder:
        yield {METRICS_FOLDER: folder}


def _where_rows_are_kept(engine: Engine, settings: Settings) -> str:
    if settings.database_url is not None:
        return engine.url.render_as_string(hide_password=True)
    return str(settings.data_dir.expanduser().resolve())


@contextmanager
def _current_database(until_stdin_closes: bool) -> Iterator[tuple[Engine, Settings]]:
    telemetry.configure_logs()
    settings = read_settings()
    _leave_in_order_when_terminated()
    if until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_stdin, daemon=True).start()
    with connect_engine(settings, statement_timeout=STATEMENT_TIMEOUT) as engine:
        wait_for_database(engine, patience=settings.database_patience)
        yield engine, settings


def _leave_in_order_when_terminated() -> None:
    # By default SIGTERM ends the process on the spot, also when uvicorn has stopped in order and
    # raises it again: the embedded database would never be stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())


def _stop_at_end_of_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _becomes_ready(url: str, ended: threading.Event) -> bool:
    """Wait until the API answers; False where something ended before that."""
    deadline = monotonic() + _READY_WITHIN_S
    # No proxy: none of them could reach the loopback address of this machine.
    with httpx.Client(trust_env=False, timeout=5) as client:
        while not ended.wait(_LOOK_EVERY_S):
            try:
                if client.get(f"{url}/readyz").is_success:
                    return True
            except httpx.TransportError:
                pass  # it does not listen yet
            if monotonic() > deadline:
                raise SlowStartError(
                    f"Nothing answered at {url}/readyz within {_READY_WITHIN_S:.0f} s"
                )
    return False
