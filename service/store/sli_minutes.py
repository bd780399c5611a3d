"""SLI counts: what scored samples add up to, per minute and slice."""

from collections.abc import Mapping
from dataclasses import asdict, fields

from sqlalchemy import Connection

from service.domain.scores import SliCounts, SliSlice
from service.domain.slis import Tally
from service.store.adding import add_rows
from service.store.tables import sli_minutes, sli_totals
from service.store.totals import add_totals

SUMS = tuple(field.name for field in fields(Tally))


def add_sli_counts(
    connection: Connection, app_id: int, counts: Mapping[SliSlice, SliCounts]
) -> None:
    """Add to the stored counts."""
    rows = [
        {
            "app_id": app_id,
            **key._asdict(),
            "failed_n": of_slice.failed_n,
            **asdict(of_slice.tally),
        }
        for key, of_slice in counts.items()
    ]
    add_rows(connection, sli_minutes, rows, ("failed_n", *SUMS))
    add_totals(connection, sli_totals, rows, ("failed_n", *SUMS))
