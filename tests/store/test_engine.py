import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError

from service.settings import Settings
from service.store import engine as engines
from service.store.engine import TCP_OPTIONS, connect_engine
from service.wiring import build_api
from tests.network import Network
from tests.serving import serving


@pytest.fixture
def network(database_url: str) -> Iterator[Network]:
    with closing(Network(str(make_url(database_url).query["host"]))) as network:
        yield network


@pytest.fixture
def settings(database_url: str, network: Network) -> Settings:
    database = make_url(database_url).database
    url = f"postgresql://postgres@127.0.0.1:{network.port}/{database}?connect_timeout=2"
    return Settings.model_validate({"database_url": url})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_IDLE_PATIENCE_S", 1.0)
    monkeypatch.setattr(engines, "_GRACE", timedelta(seconds=1))


@pytest.mark.usefixtures("impatient")
def test_a_silent_network_is_a_503_and_no_hang_and_is_over_when_it_speaks_again(
    network: Network, settings: Settings
) -> None:
    with connect_engine(settings) as engine, serving(build_api(engine, settings)) as url:
        assert httpx.get(f"{url}/readyz").status_code == 200
        network.flows.clear()
        answer = httpx.get(f"{url}/readyz", timeout=20)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        network.flows.set()
        assert httpx.get(f"{url}/readyz").status_code == 200


@pytest.mark.usefixtures("impatient")
def test_a_statement_whose_answer_never_comes_is_given_up(
    network: Network, settings: Settings
) -> None:
    with connect_engine(settings, statement_timeout=timedelta(seconds=1)) as engine:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            network.flows.clear()
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT 2"))
        network.flows.set()
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 3")) == 3


def test_a_statement_that_takes_too_long_is_ended_by_the_server(settings: Settings) -> None:
    short = timedelta(milliseconds=100)
    with connect_engine(settings, statement_timeout=short) as engine, engine.connect() as one:
        with pytest.raises(OperationalError, match="statement timeout"):
            one.execute(text("SELECT pg_sleep(5)"))
        one.rollback()
        assert one.scalar(text("SELECT 1")) == 1, "the connection is as good as before"


def test_the_kernel_is_told_to_notice_a_network_that_swallows_packets(settings: Settings) -> None:
    with connect_engine(settings) as engine, engine.connect() as connection:
        descriptor = connection.connection.driver_connection.fileno()  # type: ignore[union-attr]
        with closing(socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)) as opened:
            assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            for option, name in (
                (socket.TCP_KEEPIDLE, "keepalives_idle"),
                (socket.TCP_KEEPINTVL, "keepalives_interval"),
                (socket.TCP_KEEPCNT, "keepalives_count"),
                (socket.TCP_USER_TIMEOUT, "tcp_user_timeout"),
            ):
                assert opened.getsockopt(socket.IPPROTO_TCP, option) == TCP_OPTIONS[name]


def test_a_unix_socket_takes_the_same_options(engine: Engine, database_url: str) -> None:
    local = Settings.model_validate({"database_url": database_url})
    with connect_engine(local) as connected, connected.connect() as connection:
        assert connection.scalar(text("SHOW TIME ZONE")) == "UTC"
        assert connection.scalar(text("SHOW statement_timeout")) == "0"


def test_a_pool_without_a_free_connection_is_a_503(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_POOL_TIMEOUT_S", 1)
    with (
        connect_engine(settings, pool_size=1) as engine,
        serving(build_api(engine, settings)) as url,
        engine.connect(),
        engine.connect(),
    ):
        assert httpx.get(f"{url}/readyz").status_code == 503
