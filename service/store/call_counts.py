"""Counts of every call, by minute and slice."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.calls import CallCount
from service.store.tables import call_counts

_SUMS = ("calls", "input_tokens", "output_tokens", "cost_usd")


def add_call_counts(connection: Connection, app_id: int, counts: Iterable[CallCount]) -> None:
    """Add to the stored counts. Slices must be distinct."""
    rows = [
        {
            "app_id": app_id,
            **count.slice._asdict(),
            **{name: getattr(count, name) for name in _SUMS},
        }
        # In one order for all writers, so that two batches cannot wait for each other.
        for count in sorted(counts, key=lambda count: count.slice)
    ]
    if not rows:
        return
    statement = insert(call_counts)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(call_counts.primary_key.columns),
            set_={name: call_counts.c[name] + statement.excluded[name] for name in _SUMS},
        ),
        rows,
    )


def list_environments(
    connection: Connection, app_id: int, task: str, *, now: datetime, within: timedelta
) -> list[str]:
    """Where the task was called lately."""
    query = select(call_counts.c.environment).where(
        call_counts.c.app_id == app_id,
        call_counts.c.task == task,
        call_counts.c.minute > now - within,
    )
    return sorted(connection.scalars(query.distinct()))
