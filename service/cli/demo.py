"""`watchkeeper demo`: everything on this machine, with a simulated app that gets worse."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path
from random import Random
from time import monotonic
from typing import Annotated

import httpx
import typer
from sqlalchemy import Engine

from evaluators import registry
from service import demo as simulation
from service.cli.children import ChildEndedError, children, require_running
from service.cli.demo_narrator import Narrator
from service.cli.documents import read_documents
from service.demo.happenings import Happenings, StopAskedError
from service.demo.history import history
from service.demo.live import Pace, live_traffic, open_client
from service.demo.receiver import listen
from service.demo.support_app import APP
from service.errors import UnavailableError
from service.flows.apply_declarations import Terms, apply_declarations
from service.flows.create_api_key import create_api_key
from service.replay.sender import Sender
from service.settings import Settings, environment
from service.store.embedded import EmbeddedServer
from service.store.engine import connect_engine
from service.store.schema import migrate
from service.wiring import utc_now

HOST = "127.0.0.1"
_READY_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05
_SEED = 20261123

Port = Annotated[int, typer.Option(help="Port of the pages; another one if it is in use.")]
Seconds = Annotated[
    float | None,
    typer.Option(min=1, show_default="until Ctrl-C", help="End by itself after so many seconds."),
]
UpdateAfter = Annotated[
    float, typer.Option(min=0, help="Seconds of live traffic before the model gets worse.")
]
CallsPerSecond = Annotated[float, typer.Option(min=0.1, max=200, help="Live traffic.")]
HistoryDays = Annotated[
    float,
    typer.Option(min=0.1, max=34, help="How far the past reaches; drift needs more than 7 days."),
]


class NotReadyError(UnavailableError):
    """The service did not become ready."""


def demo(
    port: Port = 8000,
    seconds: Seconds = None,
    update_after: UpdateAfter = 60,
    calls_per_second: CallsPerSecond = 5,
    history_days: HistoryDays = 28,
) -> None:
    """Watch a simulated app on this machine: four weeks of history, live calls, a bad update.

    Database, API and worker are the real ones, in a folder that is removed at the end.
    """
    begun = monotonic()
    with Narrator() as narrator:
        happenings = Happenings(narrator.tell_message, narrator.say_stopping, seconds=seconds)
        happenings.heed_signals()
        narrator.introduce()
        try:
            with _running_service(port, happenings, narrator) as (url, api_key):
                narrator.show_pages(url, after_s=monotonic() - begun)
                _fill_history(url, api_key, timedelta(days=history_days), happenings, narrator)
                pace = Pace(calls_per_second, update_after)
                _run_live(url, api_key, pace, happenings, narrator)
        except StopAskedError:
            narrator.say_gone()


@contextmanager
def _running_service(
    wanted_port: int, happenings: Happenings, narrator: Narrator
) -> Iterator[tuple[str, str]]:
    """Everything started and declared; yields the URL and an API key of the app."""
    with (
        _passing_folder() as home,
        listen(happenings.put) as webhook_url,
        _database(home, narrator) as engine,
    ):
        happenings.pause()
        api_key = _declare(engine, webhook_url)
        port = _free_port(wanted_port, narrator)
        url = f"http://{HOST}:{port}"
        happenings.pause()
        with _service(home, url, port, happenings, narrator):
            with narrator.step("Starting the API and a worker"):
                _await_ready(url, happenings)
            yield url, api_key


@contextmanager
def _passing_folder() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-demo-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _database(home: Path, narrator: Narrator) -> Iterator[Engine]:
    with ExitStack() as stack:
        with narrator.step("Starting PostgreSQL, creating the tables"):
            # Our own handle comes first: it says that this database need not survive anything.
            stack.enter_context(EmbeddedServer(home, durable=False))
            # Not read from the environment: this machine's settings are not for the demo.
            settings = Settings.model_construct(database_url=None, data_dir=home)
            engine = stack.enter_context(connect_engine(settings))
            migrate(engine)
        yield engine


def _declare(engine: Engine, webhook_url: str) -> str:
    """The demo's app, tasks, SLOs and channel; returns an API key."""
    with as_file(files(simulation) / "declarations") as folder:
        documents = read_documents(folder)
    variables = {"DEMO_WEBHOOK_URL": webhook_url}
    terms = Terms(author="demo")
    apply_declarations(engine, registry.load(), documents, variables, terms=terms, now=utc_now())
    return create_api_key(engine, APP, now=utc_now()).secret


def _free_port(wanted: int, narrator: Narrator) -> int:
    for port in (wanted, 0):
        try:
            with socket.create_server((HOST, port)) as tried:
                found: int = tried.getsockname()[1]
        except OSError:
            continue
        if port != wanted:
            narrator.use_other_port(wanted, found)
        return found
    raise NotReadyError(f"No port of {HOST} is free")


@contextmanager
def _service(
    home: Path, url: str, port: int, happenings: Happenings, narrator: Narrator
) -> Iterator[None]:
    """`serve` and `work` as processes of their own, with no settings but the demo's."""
    inherited = {k: v for k, v in environment().items() if not k.startswith("WATCHKEEPER_")}
    own = {"WATCHKEEPER_DATA_DIR": str(home), "WATCHKEEPER_PUBLIC_URL": url}
    log = home / "service.log"
    commands = (("serve", "--host", HOST, "--port", str(port)), ("work",))
    with (
        log.open("wb") as output,
        children(*commands, environment=inherited | own, output=output) as running,
    ):
        happenings.check = lambda: require_running(running)
        try:
            yield
        except ChildEndedError:
            narrator.show_last_lines(log)
            raise


def _await_ready(url: str, happenings: Happenings) -> None:
    deadline = monotonic() + _READY_WITHIN_S
    # No proxy: none of them could reach the loopback address of this machine.
    with httpx.Client(trust_env=False, timeout=5) as client:
        while monotonic() < deadline:
            try:
                if client.get(f"{url}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            happenings.pause(_LOOK_EVERY_S)
    raise NotReadyError(f"Nothing answered at {url}/readyz within {_READY_WITHIN_S:.0f} s")


def _fill_history(
    url: str, api_key: str, length: timedelta, happenings: Happenings, narrator: Narrator
) -> None:
    end = utc_now()
    start = end - length
    rng = Random(_SEED)  # noqa: S311 - a simulation
    calls = 0
    with (
        narrator.step(f"Posting {length / timedelta(days=1):g} days of history"),
        Sender(url, api_key, sleep=happenings.pause) as sender,
    ):
        for batch in history(start, end, rng):
            sender.post(batch.body)
            calls += batch.calls
            narrator.show_history(calls, (batch.ends_at - start) / length)
            happenings.pause()


def _run_live(
    url: str, api_key: str, pace: Pace, happenings: Happenings, narrator: Narrator
) -> None:
    rng = Random(_SEED + 1)  # noqa: S311 - a simulation
    narrator.announce_live(pace)
    is_updated = False
    with open_client(url, api_key, on_close=narrator.show_account) as client:
        traffic = live_traffic(client, pace, rng, pause=happenings.pause)
        for calls, elapsed_s in enumerate(traffic, start=1):
            narrator.show_live(calls, pace.update_after_s - elapsed_s)
            if elapsed_s >= pace.update_after_s and not is_updated:
                is_updated = True
                narrator.announce_update()
