"""Binary `COPY`: the fastest way of rows into PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def copy_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows; no conflict handling.

    Raises:
        DBAPIError: of the class that the same error has in any other statement.
    """
    types = [table.c[name].type.compile(_DIALECT).lower() for name in columns]
    with _copying(connection, table.name, columns) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def copy_encoded(
    connection: Connection, table: str, columns: Sequence[str], encoded: bytes
) -> None:
    """Write rows that are in the binary format already; errors as with `copy_rows`."""
    with _copying(connection, table, columns) as copy:
        copy.write(encoded)


@contextmanager
def _copying(
    connection: Connection, table: str, columns: Sequence[str]
) -> Iterator["psycopg.Copy"]:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            yield copy
    except psycopg.Error as error:
        # This goes past SQLAlchemy, which would have done it; handlers know only its classes.
        raise DBAPIError.instance(
            statement,
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=driver.closed,
            dialect=connection.dialect,
        ) from error
