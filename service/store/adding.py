"""Adding to stored counts: many writers, one row, no lost update."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, Table, func
from sqlalchemy.dialects.postgresql import Insert, insert


def add_rows(
    connection: Connection,
    table: Table,
    rows: Iterable[Mapping[str, Any]],
    sums: Sequence[str],
    *,
    flags: Sequence[str] = (),
) -> None:
    """Insert rows, or add their `sums` to those that are there. Keys must be distinct.

    flags: columns of bits; a bit stays set once it is.
    """
    key = [column.name for column in table.primary_key.columns]
    # In one order for all writers, so that two of them cannot wait for each other.
    ordered = sorted(rows, key=lambda row: [row[name] for name in key])
    if not ordered:
        return
    connection.execute(_adding(table, tuple(sums), tuple(flags)), ordered)


@cache  # building it takes longer than most of its executions
def _adding(table: Table, sums: tuple[str, ...], flags: tuple[str, ...]) -> Insert:
    statement = insert(table)
    added = {name: _sum(table.c[name], statement.excluded[name]) for name in sums}
    set_too = {name: table.c[name].bitwise_or(statement.excluded[name]) for name in flags}
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key.columns],
        set_=added | set_too,
    )


def _sum(stored: Column[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.add_counts(stored, new) if isinstance(stored.type, ARRAY) else stored + new
