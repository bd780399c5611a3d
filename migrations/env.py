"""Alembic's entry: `watchkeeper migrate` hands over an engine, the `alembic` command does not."""

from alembic import context
from sqlalchemy import Engine

from service.settings import read_settings
from service.store.engine import connect_engine
from service.store.tables import metadata


def _upgrade(engine: Engine) -> None:
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=metadata, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()


handed_over = context.config.attributes.get("engine")
if handed_over is not None:
    _upgrade(handed_over)
else:
    with connect_engine(read_settings()) as own:
        _upgrade(own)
