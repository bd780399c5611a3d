"""Connections to PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from service.errors import UnavailableError
from service.settings import Settings
from service.store.embedded import EmbeddedServer


class DatabaseUnreachableError(UnavailableError):
    """The database does not answer."""


@contextmanager
def connect_engine(settings: Settings, *, pool_size: int = 10) -> Iterator[Engine]:
    """An engine on the configured database, or on the embedded one, started and stopped with us."""
    if settings.database_url is not None:
        with _engine(make_url(settings.database_url.get_secret_value()), pool_size) as engine:
            yield engine
        return
    with (
        EmbeddedServer(settings.data_dir) as server,
        _engine(make_url(server.url), pool_size) as engine,
    ):
        yield engine


@contextmanager
def _engine(url: URL, pool_size: int) -> Iterator[Engine]:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        pool_pre_ping=True,
        connect_args={"application_name": "watchkeeper", "connect_timeout": 10},
        hide_parameters=True,  # prompts and answers are parameters; they stay out of error texts
    )

    @event.listens_for(engine, "connect")
    def use_utc(connection: object, _record: object) -> None:
        with connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("SET TIME ZONE 'UTC'")
        connection.commit()  # type: ignore[attr-defined]

    try:
        yield engine
    finally:
        engine.dispose()


def require_reachable(engine: Engine) -> None:
    """Connect once.

    Raises:
        DatabaseUnreachableError: with the server's reason; the password is not in it.
    """
    try:
        engine.connect().close()
    except OperationalError as error:
        shown = engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip()
        raise DatabaseUnreachableError(f"Cannot connect to {shown}: {reason}") from None
