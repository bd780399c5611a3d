"""Counts of minutes, added up by hour and by day in the same transaction.

So that what reads a month reads some dozens of rows, and finds in them what the minutes say, at any
time and however late a count comes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table

from service.domain.latency import merge_counts
from service.store.adding import add_rows

HOUR, DAY = 1, 24
"""Spans, in hours."""


def add_totals(
    connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], sums: Sequence[str]
) -> None:
    """Add rows of minutes to the hours and days that they are in."""
    key = [column.name for column in table.primary_key.columns]
    totals: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        for span in (HOUR, DAY):
            one = _of_span(row, span)
            name = tuple(one[part] for part in key)
            totals[name] = _merged(totals[name], one, sums) if name in totals else one
    add_rows(connection, table, totals.values(), sums, flags=("minutes_seen",))


def _of_span(row: Mapping[str, Any], span: int) -> dict[str, Any]:
    one = dict(row)
    minute: datetime = one.pop("minute").astimezone(UTC)
    start = minute.replace(minute=0, second=0, microsecond=0)
    seen = 1 << minute.minute
    if span == DAY:
        start, seen = start.replace(hour=0), 0
    return one | {"span": span, "starts_at": start, "minutes_seen": seen}


def _merged(
    one: Mapping[str, Any], other: Mapping[str, Any], sums: Sequence[str]
) -> dict[str, Any]:
    added = {name: _added(one[name], other[name]) for name in sums}
    return {**one, **added, "minutes_seen": one["minutes_seen"] | other["minutes_seen"]}


def _added(one: Any, other: Any) -> Any:
    if isinstance(one, list):
        return list(merge_counts(tuple(one), tuple(other)))
    return one + other
