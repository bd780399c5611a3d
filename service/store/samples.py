"""Samples: written by `COPY`, read by the workers that score them."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from service.domain.calls import NewSample
from service.store.binary_rows import COLUMNS, encode_samples
from service.store.copying import copy_encoded
from service.store.database_errors import UNIQUE_VIOLATION, sqlstate_of

_COLUMN_LIST = ", ".join(COLUMNS)
_CLASH_ON_A_CLUSTER = "XX000"  # Citus reports a clash inside a COPY as an internal error


def insert_samples(
    connection: Connection,
    app_id: int,
    new: Sequence[NewSample],
    *,
    now: datetime,
    expect_clashes: bool,
) -> list[NewSample]:
    """Write samples, in one order for all writers; returns those that were not there already.

    Two batches that share samples wait for each other row by row. Each writes in the order of the
    primary key, so that no two can wait in a circle.

    expect_clashes: Samples that are stored already are skipped, by way of a temporary table, which
        costs about 40 % more. Without it they raise (see `is_clash`) and undo the transaction.
    """
    if not new:
        return []
    new = sorted(new, key=attrgetter("order"))
    if not expect_clashes:
        _copy(connection, "samples", app_id, new, now)
        return new
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE IF NOT EXISTS staged_samples"
            " (LIKE samples) ON COMMIT DELETE ROWS"
        )
    )
    _copy(connection, "staged_samples", app_id, new, now)
    stored = connection.execute(
        text(
            f"INSERT INTO samples ({_COLUMN_LIST}) SELECT {_COLUMN_LIST} FROM staged_samples"
            " WHERE app_id = :app_id ORDER BY called_at, sample_id"
            " ON CONFLICT DO NOTHING RETURNING called_at, sample_id"
        ),
        {"app_id": app_id},
    )
    keys = {(row.called_at, row.sample_id.int) for row in stored}
    return [sample for sample in new if sample.order in keys]


def is_clash(error: DBAPIError) -> bool:
    """Whether a `COPY` met a row that is stored already."""
    return sqlstate_of(error) in (UNIQUE_VIOLATION, _CLASH_ON_A_CLUSTER)


def read_samples(
    connection: Connection, app_id: int, called_ats: Sequence[datetime], sample_ids: Sequence[UUID]
) -> Sequence[Row[Any]]:
    """The samples of these keys that are stored, in no particular order."""
    return connection.execute(
        text(
            "SELECT s.* FROM unnest(CAST(:called_ats AS timestamptz[]), CAST(:ids AS uuid[]))"
            " AS k (called_at, sample_id) JOIN samples s"
            " ON s.app_id = :app_id AND s.called_at = k.called_at AND s.sample_id = k.sample_id"
            " WHERE s.called_at BETWEEN :first AND :last"  # lets the planner skip partitions
        ),
        {
            "app_id": app_id,
            "called_ats": list(called_ats),
            "ids": list(sample_ids),
            "first": min(called_ats),
            "last": max(called_ats),
        },
    ).all()


def _copy(
    connection: Connection, table: str, app_id: int, new: Sequence[NewSample], now: datetime
) -> None:
    copy_encoded(connection, table, COLUMNS, encode_samples(app_id, now, new))
