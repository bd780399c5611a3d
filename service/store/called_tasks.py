"""Which tasks are called in which environments, declared or not."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from service.domain.indicators import Indicator
from service.store.tables import call_counts

LARGEST = 1_000
"""An app that makes up a new task with every call must not fill the memory."""


class CalledTask(NamedTuple):
    """A task as the app names it."""

    app_id: int
    environment: str
    task: str


def list_called_tasks(
    connection: Connection, *, now: datetime, within: timedelta
) -> list[CalledTask]:
    """What was called lately, by app, environment and task."""
    names = [call_counts.c[name] for name in CalledTask._fields]
    query = (
        select(*names)
        .where(call_counts.c.minute > now - within)
        .distinct()
        .order_by(*names)
        .limit(LARGEST)
    )
    return [CalledTask(*row) for row in connection.execute(query)]


def was_ever_called(connection: Connection, app_id: int, indicator: Indicator) -> bool:
    """Whether a call that the indicator looks at is still known."""
    query = (
        select(call_counts.c.minute)
        .where(
            call_counts.c.app_id == app_id,
            call_counts.c.environment == indicator.environment,
            call_counts.c.task == indicator.task,
        )
        .limit(1)
    )
    return connection.scalar(query) is not None
