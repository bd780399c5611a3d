"""Adding to stored counts: many writers, one row, no lost update."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, Table, func
from sqlalchemy.dialects.postgresql import insert


def add_rows(
    connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], sums: Sequence[str]
) -> None:
    """Insert rows, or add their `sums` to those that are there. Keys must be distinct."""
    key = [column.name for column in table.primary_key.columns]
    # In one order for all writers, so that two of them cannot wait for each other.
    ordered = sorted(rows, key=lambda row: [row[name] for name in key])
    if not ordered:
        return
    statement = insert(table)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=key,
            set_={name: _sum(table.c[name], statement.excluded[name]) for name in sums},
        ),
        ordered,
    )


def _sum(stored: Column[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.add_counts(stored, new) if isinstance(stored.type, ARRAY) else stored + new
