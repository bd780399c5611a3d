"""The counts of an indicator by minute, over months at once: packed, not row by row."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    LargeBinary,
    Select,
    cast,
    func,
    literal,
    select,
)

from service.domain.minute_series import FIELDS, MinuteCounts
from service.store.measured import Measured
from service.store.sli_minutes import SUMS

_MINUTE = timedelta(minutes=1)
_DAY_MINUTES = 24 * 60
_EXTRA = ("at", "size", "failed", "cost")


def read_minutes(
    connection: Connection, measured: Measured, start: datetime, end: datetime
) -> MinuteCounts:
    """The minutes in [start, end), which are midnights (UTC). Of one indicator, not a composite."""
    count = (end - start) // _MINUTE
    packed = connection.scalar(_packed(measured, start, end))
    names = (*_EXTRA, *_fields(measured))
    read = np.frombuffer(packed or b"", ">f8").reshape(-1, len(names)).T
    at = ((read[0] - start.timestamp()) / 60).round().astype(np.int64)
    columns = dict(zip(names, read, strict=True))

    def spread(values: Any) -> Any:
        dense = np.zeros(count)
        dense[at] = values
        return dense

    held = np.zeros(count, dtype=bool)
    held[at] = True
    return MinuteCounts(
        start,
        spread(columns["size"]),
        held,
        spread(columns["failed"]),
        spread(columns["cost"]),
        np.array([spread(values) for values in _tallied(measured, columns)]),
    )


def _fields(measured: Measured) -> tuple[str, ...]:
    return SUMS if measured.is_quality else ("total", "w2", "bad", "bad_w2")


def _tallied(measured: Measured, columns: dict[str, Any]) -> list[Any]:
    if measured.is_quality:
        return [columns[name] for name in FIELDS]
    # As `Tally.from_counts`.
    total, w2, bad, bad_w2 = (columns[name] for name in _fields(measured))
    return [total, total, w2, total - bad, np.maximum(0.0, w2 - bad_w2), bad, bad, bad_w2]


def _packed(measured: Measured, start: datetime, end: datetime) -> Select[Any]:
    table = measured.table
    nothing = literal(0.0)
    sums: list[ColumnElement[Any]] = [
        func.extract("epoch", table.c.minute),
        func.sum(measured.size),
        func.sum(table.c.failed_n) if measured.is_quality else nothing,
        nothing if measured.is_quality else func.sum(table.c.cost_usd),
        *measured.sums,
    ]
    by_minute = (
        select(
            table.c.minute,
            *(
                cast(func.coalesce(each, 0), Double).label(f"c{number}")
                for number, each in enumerate(sums)
            ),
        )
        .where(*measured.within(start, end))
        .group_by(table.c.minute)
        .subquery()
    )
    row: Any = func.float8send(by_minute.c.c0, type_=LargeBinary)
    for number in range(1, len(sums)):
        row = row.op("||")(func.float8send(by_minute.c[f"c{number}"], type_=LargeBinary))
    joined = func.string_agg(row, cast(literal(b""), LargeBinary))
    return select(joined)
