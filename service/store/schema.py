"""The schema's revision: bring it up to date, or refuse to run on another one."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

import migrations
from service.errors import WatchkeeperError
from service.store import locks
from service.store.partitions import make_ahead


class SchemaBehindError(WatchkeeperError):
    """The database's schema is not the one that this version needs."""


def migrate(engine: Engine) -> str:
    """Apply every missing migration, one process at a time; returns the revision reached."""
    with engine.connect() as connection, locks.exclusive(connection, "migrate"):
        config = _config()
        config.attributes["engine"] = engine
        command.upgrade(config, "head")
    make_ahead(engine)
    return _head()


def require_current(engine: Engine) -> None:
    """Refuse a database that another version of the schema is in.

    Raises:
        SchemaBehindError: saying what to run.
    """
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != _head():
        raise SchemaBehindError(
            f"The database is at schema revision {found or 'none (it is empty)'}, this version "
            f"needs {_head()}. Run: watchkeeper migrate"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    return config


def _head() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101 - the repository holds at least one migration
    return head
