"""`serve` and `work` at their start: they wait for their database, but not in vain."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from service.cli.open_database import wait_for_database
from service.settings import Settings
from service.store.embedded import EmbeddedServer
from service.store.engine import DatabaseRefusedError, DatabaseUnreachableError, connect_engine
from service.store.schema import SchemaAheadError
from tests.network import Network
from tests.processes import free_port, is_ready
from tests.waiting import wait_for

WAITING, THERE = "waiting_for_database", "database_is_there"
LONG = timedelta(minutes=1)


@pytest.fixture
def empty_database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """Of a database that nobody has migrated."""
    name = f"empty_{uuid4().hex}"
    admin = create_engine(postgres.url_of("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        yield postgres.url_of(name)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@contextmanager
def heard(log: Path, *command: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command whose words go into a file; stopped in order at the end."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", *command],
            env=os.environ | settings,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_for_word(log: Path, word: str) -> None:
    wait_for(lambda: word in log.read_text(), what=f"{word} in what it says")


def ended(*command: str, **settings: str) -> tuple[int, str]:
    """Exit code and words of a command that ends by itself, and soon."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *command],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=40,
    )
    return done.returncode, done.stdout


def over_tcp(url: str, port: int) -> str:
    database = make_url(url).database
    return f"postgresql://postgres:s3cret@127.0.0.1:{port}/{database}"


def test_the_api_waits_for_a_database_that_comes_later(database_url: str, tmp_path: Path) -> None:
    port, of_database, log = free_port(), free_port(), tmp_path / "log"
    settings = {"WATCHKEEPER_DATABASE_URL": over_tcp(database_url, of_database)}
    with heard(log, "serve", "--port", str(port), **settings) as serving:
        wait_for_word(log, WAITING)
        socket_dir = str(make_url(database_url).query["host"])
        with closing(Network(socket_dir, port=of_database)):
            wait_for(lambda: is_ready(port, serving), what="the API")
    told = log.read_text()
    assert (told.count(WAITING), told.count(THERE)) == (1, 1)
    assert "s3cret" not in told


def test_a_worker_waits_for_the_migration_beside_it(
    empty_database_url: str, tmp_path: Path
) -> None:
    log, settings = tmp_path / "log", {"WATCHKEEPER_DATABASE_URL": empty_database_url}
    with heard(log, "work", **settings) as working:
        wait_for_word(log, "Run: watchkeeper migrate")
        assert ended("migrate", **settings)[0] == 0
        wait_for_word(log, "worker_started")
        assert working.poll() is None
    told = log.read_text()
    assert (told.count(WAITING), told.count(THERE)) == (1, 1)


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("work",)])
def test_they_end_with_the_reason_when_their_patience_is_over(command: tuple[str, ...]) -> None:
    url = f"postgresql://me:s3cret@127.0.0.1:{free_port()}/watchkeeper"
    patience = {"WATCHKEEPER_DATABASE_PATIENCE_S": "1"}
    code, told = ended(*command, WATCHKEEPER_DATABASE_URL=url, **patience)
    assert code == 1
    assert told.count(WAITING) == 1
    assert "Cannot connect to postgresql+psycopg://me:***@127.0.0.1" in told
    assert "s3cret" not in told
    assert "Traceback" not in told


def test_a_worker_that_waits_ends_when_it_is_told_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    url = f"postgresql://me@127.0.0.1:{free_port()}/watchkeeper"
    with heard(log, "work", WATCHKEEPER_DATABASE_URL=url) as working:
        wait_for_word(log, WAITING)
        working.terminate()
        assert working.wait(10) == 0
    assert "Traceback" not in log.read_text()


def test_a_database_that_is_unknown_is_not_waited_for(postgres: EmbeddedServer) -> None:
    code, told = ended("work", WATCHKEEPER_DATABASE_URL=postgres.url_of("nowhere"))
    assert code == 1
    assert 'database "nowhere" does not exist' in told
    assert WAITING not in told


def test_a_newer_schema_is_not_waited_for(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaAheadError):
        wait_for_database(engine, patience=LONG)


@pytest.fixture
def guarded_url(engine: Engine, database_url: str) -> Iterator[str]:
    """Of a user that has to give a password, which is not the one in it."""
    user = f"guarded_{uuid4().hex}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {user} LOGIN PASSWORD 'right'"))
        rules = Path(str(connection.scalar(text("SHOW hba_file"))))
    before = rules.read_text()
    url = make_url(database_url).set(username=user, password="s3cret")
    try:
        rules.write_text(f"local all {user} scram-sha-256\n{before}")
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_reload_conf()"))
        wait_for(lambda: not connects(url.render_as_string(hide_password=False)), what="the rule")
        yield url.render_as_string(hide_password=False)
    finally:
        rules.write_text(before)
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_reload_conf()"))
            connection.execute(text(f"DROP ROLE {user}"))


def connects(url: str) -> bool:
    engine = create_engine(url)
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False
    finally:
        engine.dispose()


def refused(url: str) -> str:
    settings = Settings.model_validate({"database_url": url})
    with connect_engine(settings) as engine, pytest.raises(DatabaseRefusedError) as error:
        wait_for_database(engine, patience=LONG)
    return str(error.value)


def test_a_wrong_password_is_not_waited_for_and_not_told(guarded_url: str) -> None:
    told = refused(guarded_url)
    assert "password authentication failed" in told
    assert "s3cret" not in told


def test_a_user_whom_the_server_does_not_know_is_not_waited_for(database_url: str) -> None:
    url = make_url(database_url).set(username="stranger")
    assert 'role "stranger" does not exist' in refused(url.render_as_string())


def test_a_password_among_the_options_of_the_address_is_not_told() -> None:
    url = f"postgresql://127.0.0.1:{free_port()}/watchkeeper?user=me&password=s3cret"
    settings = Settings.model_validate({"database_url": url})
    with connect_engine(settings) as engine, pytest.raises(DatabaseUnreachableError) as error:
        wait_for_database(engine, patience=timedelta())
    assert "s3cret" not in str(error.value)
