"""`watchkeeper migrate`."""

import typer

from service.settings import read_settings
from service.store.engine import connect_engine, require_reachable
from service.store.schema import migrate as migrate_schema


def migrate() -> None:
    """Bring the database's schema up to date."""
    with connect_engine(read_settings()) as engine:
        require_reachable(engine)
        typer.echo(f"The database is at schema revision {migrate_schema(engine)}.")
