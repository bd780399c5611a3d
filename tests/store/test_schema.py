from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from service.store.schema import SchemaAheadError, SchemaBehindError, migrate, require_current
from service.store.tables import metadata


def test_the_migrations_create_exactly_the_tables_that_the_code_declares(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables},
        )
        assert compare_metadata(context, metadata) == []


def test_a_database_that_is_behind_is_refused_with_what_to_run(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(SchemaBehindError, match="Run: watchkeeper migrate"):
        require_current(engine)


@pytest.mark.parametrize("meet", [require_current, migrate])
def test_a_database_of_a_newer_version_is_refused(
    engine: Engine, meet: Callable[[Engine], object]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaAheadError, match="newer Watchkeeper; start that version"):
        meet(engine)


def test_migrating_a_current_database_changes_nothing(engine: Engine) -> None:
    reached = migrate(engine)
    require_current(engine)
    assert migrate(engine) == reached
