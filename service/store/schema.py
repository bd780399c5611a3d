"""The schema's revision: bring it up to date, or refuse to run on another one."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import migrations
from service.errors import WatchkeeperError
from service.store import locks
from service.store.partitions import make_ahead


class SchemaBehindError(WatchkeeperError):
    """The database's schema is not the one that this version needs."""


class SchemaAheadError(WatchkeeperError):
    """This database belongs to a newer Watchkeeper."""


def migrate(engine: Engine) -> str:
    """Apply every missing migration, one process at a time; returns the revision reached.

    Raises:
        SchemaAheadError: A newer version has been here.
    """
    with engine.connect() as connection, locks.exclusive(connection, "migrate"):
        _known_revision(connection)
        config = _config()
        config.attributes["engine"] = engine
        command.upgrade(config, "head")
    make_ahead(engine)
    return _head()


def require_current(engine: Engine) -> None:
    """Refuse a database that another version of the schema is in.

    Raises:
        SchemaBehindError: saying what to run.
        SchemaAheadError: A newer version has been here.
    """
    with engine.connect() as connection:
        found = _known_revision(connection)
    if found != _head():
        raise SchemaBehindError(
            f"The database is at schema revision {found or 'none (it is empty)'}, this version "
            f"needs {_head()}. Run: watchkeeper migrate"
        )


def _known_revision(connection: Connection) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    ours = {revision.revision for revision in _scripts().walk_revisions()}
    if found is not None and found not in ours:
        raise SchemaAheadError(
            f"The database is at schema revision {found}, this version knows none after {_head()}: "
            "this database belongs to a newer Watchkeeper; start that version"
        )
    return found


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _head() -> str:
    head = _scripts().get_current_head()
    assert head is not None  # noqa: S101 - the repository holds at least one migration
    return head
