"""Samples: written by `COPY`, read by the workers that score them."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from service.domain.calls import NewSample
from service.store.copying import copy_rows
from service.store.database_errors import UNIQUE_VIOLATION, sqlstate_of
from service.store.tables import samples

_PLAIN_FIELDS = tuple(field.name for field in fields(NewSample) if field.name != "attributes")
_COLUMNS = ("app_id", "received_at", *_PLAIN_FIELDS, "attributes")
_COLUMN_LIST = ", ".join(_COLUMNS)
_CLASH_ON_A_CLUSTER = "XX000"  # Citus reports a clash inside a COPY as an internal error


def insert_samples(
    connection: Connection, app_id: int, new: Sequence[NewSample], *, now: datetime
) -> list[NewSample]:
    """Write samples, in one order for all writers; returns those that were not there already.

    Two batches that share samples wait for each other row by row. Each writes in the order of the
    primary key, so that no two can wait in a circle.

    The plain `COPY` is the fast path. Only where it meets a sample that is already stored does it
    begin again through a temporary table, which costs about 40 % more.
    """
    if not new:
        return []
    new = sorted(new, key=_key)
    try:
        with connection.begin_nested():
            _copy(connection, "samples", app_id, new, now)
    except DBAPIError as error:
        if sqlstate_of(error) not in (UNIQUE_VIOLATION, _CLASH_ON_A_CLUSTER):
            raise
    else:
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
            " ORDER BY called_at, sample_id ON CONFLICT DO NOTHING RETURNING called_at, sample_id"
        )
    )
    keys = {(row.called_at, row.sample_id) for row in stored}
    return [sample for sample in new if _key(sample) in keys]


def _key(sample: NewSample) -> tuple[datetime, UUID]:
    return sample.called_at, sample.sample_id


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
    rows = (
        (app_id, now, *(getattr(sample, name) for name in _PLAIN_FIELDS), Jsonb(sample.attributes))
        for sample in new
    )
    copy_rows(connection, samples, _COLUMNS, rows, into=table)
