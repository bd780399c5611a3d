"""Connections to PostgreSQL."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError

from service.errors import UnavailableError, WatchkeeperError
from service.settings import Settings
from service.store.answering import AnsweringConnection
from service.store.embedded import EmbeddedServer

OLDEST_VERSION = 15
"""The oldest PostgreSQL that the tests run on."""

STATEMENT_TIMEOUT = timedelta(seconds=60)
"""For the running service. Every statement of it is done in a fraction of that."""

# A network that swallows packets is noticed within 20 s where we have sent something, within 25 s
# where we only listen. Not looked at on a Unix socket. What the URL says goes first.
TCP_OPTIONS: dict[str, int] = {
    "connect_timeout": 10,  # seconds, as all but the last
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}
_POOL_TIMEOUT_S = 10
_IDLE_PATIENCE_S = 5.0
"""For the question whether an idle connection still works."""
_GRACE = timedelta(seconds=5)
"""On top of the statement's timeout: the server's word that it gave up should come first."""

_SECRETS = ("password", "sslpassword", "oauth_client_secret")
"""Options of libpq that a URL may hold beside the password before its `@`."""
# The words of SQLSTATE 28000, 28P01 and 3D000: of a connection that fails, libpq tells no state.
# A server or pooler with other words is waited for, and its reason told in the end.
_REFUSALS = re.compile(
    r"authentication failed for user|pg_hba\.conf|no password supplied|no such (database|user)"
    r'|(role|database) ".*" (does not exist|is not permitted to log in)',
    re.DOTALL,
)


class DatabaseUnreachableError(UnavailableError):
    """The database does not answer."""


class DatabaseRefusedError(DatabaseUnreachableError):
    """The database refuses who we are or what we ask for; correct its URL."""


class DatabaseTooOldError(WatchkeeperError):
    """This PostgreSQL is too old."""


@contextmanager
def connect_engine(
    settings: Settings, *, pool_size: int = 10, statement_timeout: timedelta | None = None
) -> Iterator[Engine]:
    """An engine on the configured database, or on the embedded one, started and stopped with us.

    Args:
        settings: say which database.
        pool_size: connections that are kept; twice as many may be open.
        statement_timeout: for every statement, and for the server's answer; None is for ever.
    """
    if settings.database_url is not None:
        url = make_url(settings.database_url.get_secret_value())
        with _engine(url, pool_size, statement_timeout) as engine:
            yield engine
        return
    with (
        EmbeddedServer(settings.data_dir) as server,
        _engine(make_url(server.url), pool_size, statement_timeout) as engine,
    ):
        yield engine


@contextmanager
def _engine(url: URL, pool_size: int, statement_timeout: timedelta | None) -> Iterator[Engine]:
    defaults = {name: value for name, value in TCP_OPTIONS.items() if name not in url.query}
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=_POOL_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args={"application_name": "watchkeeper", **defaults},
        hide_parameters=True,  # prompts and answers are parameters; they stay out of error texts
    )
    _limit_waiting(engine, statement_timeout)
    try:
        yield engine
    finally:
        engine.dispose()


def _limit_waiting(engine: Engine, statement_timeout: timedelta | None) -> None:
    """Set every connection's time zone and timeouts; short ones while it idles in the pool."""
    in_use = None if statement_timeout is None else (statement_timeout + _GRACE).total_seconds()

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> AnsweringConnection:
        try:
            connection = AnsweringConnection.connect(*arguments, **options)
        except psycopg.errors.ConnectionTimeout:
            # Of the class that every other failure to connect has: callers look at it.
            raise psycopg.OperationalError("no answer to the attempt to connect") from None
        connection.patience_s = _IDLE_PATIENCE_S
        return connection

    @event.listens_for(engine, "connect")
    def configure(connection: AnsweringConnection, _record: object) -> None:
        connection.execute("SET TIME ZONE 'UTC'")
        if statement_timeout is not None:
            milliseconds = statement_timeout // timedelta(milliseconds=1)
            connection.execute(f"SET statement_timeout = {milliseconds}".encode())
        connection.commit()

    # The pool asks "are you there?" before it hands a connection out, which is when this runs.
    @event.listens_for(engine, "checkout")
    def be_patient(connection: AnsweringConnection, _record: object, _proxy: object) -> None:
        connection.patience_s = in_use

    @event.listens_for(engine, "checkin")
    def be_impatient(connection: AnsweringConnection | None, _record: object) -> None:
        if connection is not None:  # it is None where the pool has given it up
            connection.patience_s = _IDLE_PATIENCE_S


def require_reachable(engine: Engine) -> None:
    """Connect once.

    Raises:
        DatabaseRefusedError: it answers, but knows no such user, password or database.
        DatabaseUnreachableError: with the server's reason; the password is not in it.
        DatabaseTooOldError: an older PostgreSQL than we run on.
    """
    try:
        with engine.connect() as connection:
            version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    except OperationalError as error:
        raise unreachable(engine, error) from None
    if version < OLDEST_VERSION:
        raise DatabaseTooOldError(
            f"The database is PostgreSQL {version}; {OLDEST_VERSION} or newer is needed"
        )


def unreachable(engine: Engine, error: OperationalError) -> DatabaseUnreachableError:
    """What to tell whoever reads that it could not be reached; no password is in it."""
    shown = engine.url.difference_update_query(_SECRETS).render_as_string(hide_password=True)
    reason = str(error.orig).strip()
    kind = DatabaseRefusedError if _REFUSALS.search(reason) else DatabaseUnreachableError
    return kind(f"Cannot connect to {shown}: {reason}")
