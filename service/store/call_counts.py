"""Counts of every call, by minute and slice."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError

from service.domain.calls import CallCount
from service.errors import InvalidInputError
from service.store.adding import add_rows
from service.store.database_errors import NUMBER_OUT_OF_RANGE, sqlstate_of
from service.store.tables import call_counts, call_totals
from service.store.totals import add_totals

_SUMS = ("calls", "squares", "input_tokens", "output_tokens", "cost_usd", "latency_counts")


class CountsTooLargeError(InvalidInputError):
    """Calls cannot be counted that far."""


def add_call_counts(connection: Connection, app_id: int, counts: Iterable[CallCount]) -> None:
    """Add to the stored counts. Slices must be distinct.

    Raises:
        CountsTooLargeError: A sum would leave the range of its column.
    """
    rows = [
        {
            "app_id": app_id,
            **count.slice._asdict(),
            **{name: getattr(count, name) for name in _SUMS[:-1]},
            "squares": count.sum_of_squares,
            "latency_counts": list(count.latency_counts),
        }
        for count in counts
    ]
    try:
        add_rows(connection, call_counts, rows, _SUMS)
        add_totals(connection, call_totals, rows, _SUMS)
    except DataError as error:
        if sqlstate_of(error) != NUMBER_OUT_OF_RANGE:
            raise
        raise CountsTooLargeError(
            "The calls, tokens or costs of one minute and slice add up to more than can be stored; "
            "nothing of this batch was stored. Correct its call_counts"
        ) from None


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
