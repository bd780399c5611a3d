"""The database that a command works on, reachable and of this version's schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from service.settings import read_settings
from service.store.engine import (
    DatabaseRefusedError,
    DatabaseUnreachableError,
    connect_engine,
    require_reachable,
    unreachable,
)
from service.store.schema import SchemaBehindError, require_current

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_TOLD_EVERY_S = 30.0
_log = structlog.get_logger()


@contextmanager
def open_database() -> Iterator[Engine]:
    """For a command that only asks or changes something, and ends: a person waits for it."""
    with connect_engine(read_settings()) as engine:
        _require_usable(engine)
        yield engine


def wait_for_database(engine: Engine, *, patience: timedelta) -> None:
    """For what is started beside its database, and beside `migrate`: come back once it is usable.

    The last attempt may take `patience` some seconds further, as long as connecting may take.

    Raises:
        DatabaseUnreachableError, SchemaBehindError: It was not within `patience`.
        DatabaseRefusedError, DatabaseTooOldError, SchemaAheadError: It will not be by waiting.
    """
    began = monotonic()
    pause_s = _FIRST_PAUSE_S
    news = _News(patience)
    while True:
        try:
            _require_usable(engine)
        except DatabaseRefusedError:
            raise
        except (DatabaseUnreachableError, SchemaBehindError) as error:
            left_s = began + patience.total_seconds() - monotonic()
            if left_s <= 0:
                raise
            news.tell(error)
            sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            break
    if news.told:
        _log.info("database_is_there", after_s=round(monotonic() - began, 1))


def _require_usable(engine: Engine) -> None:
    require_reachable(engine)
    try:
        require_current(engine)
    except OperationalError as error:  # gone again in between
        raise unreachable(engine, error) from None


class _News:
    """Says what is waited for: at once, when it changes, and then rarely."""

    def __init__(self, patience: timedelta) -> None:
        self._patience = patience
        self.told: type[Exception] | None = None
        self._told_at = 0.0

    def tell(self, reason: Exception) -> None:
        if type(reason) is self.told and monotonic() < self._told_at + _TOLD_EVERY_S:
            return
        self.told, self._told_at = type(reason), monotonic()
        at_most_s = self._patience.total_seconds()
        _log.warning("waiting_for_database", reason=str(reason), at_most_s=at_most_s)
