"""The database of a command that only asks or changes something, and ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from service.settings import read_settings
from service.store.engine import connect_engine, require_reachable
from service.store.schema import require_current


@contextmanager
def open_database() -> Iterator[Engine]:
    """The configured database, reachable and of this version's schema."""
    with connect_engine(read_settings()) as engine:
        require_reachable(engine)
        require_current(engine)
        yield engine
