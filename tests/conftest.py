"""A real PostgreSQL for every test: one server for the run, one fresh database for each test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, text

from service.store.embedded import EmbeddedServer
from service.store.schema import migrate

settings.register_profile(
    "watchkeeper",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("watchkeeper")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """The server of this test process; gone, data and all, when the run ends."""
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-tests-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        with EmbeddedServer(home, durable=False) as server:
            engine = create_engine(server.url)
            migrate(engine)
            engine.dispose()
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """The URL of a migrated, empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    admin = create_engine(postgres.url_of("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE watchkeeper"))
    yield postgres.url_of(name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on `database_url`."""
    engine = create_engine(database_url, hide_parameters=True)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def llmdrift() -> Path:
    """The folder of the real logs; tests that need it skip where it is absent."""
    folder = Path(__file__).absolute().parents[2] / "shared" / "data" / "llmdrift"
    if not folder.is_dir():
        pytest.skip(f"the real logs of LLMDrift are not at {folder.parent.name}/{folder.name}")
    return folder
