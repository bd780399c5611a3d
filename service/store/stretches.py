"""Large tables piece by piece: stretches of an app's rows that one short transaction can handle."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, and_, func, select


class Stretch(NamedTuple):
    """Rows from one time to another, both included."""

    first: datetime
    last: datetime


def next_stretch(
    connection: Connection,
    time: Column[Any],
    app_id: int,
    *,
    after: datetime | None = None,
    before: datetime,
    rows: int,
) -> Stretch | None:
    """The app's next rows in the order of `time`, after and before these times; None at the end.

    About as many as asked for: rows of one instant stay together. It is read from the primary key
    of a growing table, which `app_id` and `time` lead.
    """
    ahead = select(time).where(time.table.c.app_id == app_id, time < before)
    if after is not None:
        ahead = ahead.where(time > after)
    times = ahead.order_by(time).limit(rows).subquery().c[time.name]
    first, last = connection.execute(select(func.min(times), func.max(times))).one()
    return None if first is None else Stretch(first, last)


def within(time: Column[Any], app_id: int, stretch: Stretch) -> ColumnElement[bool]:
    """The app's rows in the stretch; its constants let the planner skip partitions."""
    return and_(time.table.c.app_id == app_id, time >= stretch.first, time <= stretch.last)
