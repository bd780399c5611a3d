"""SLI counts: what scored samples add up to, per minute and slice."""

from collections.abc import Mapping
from dataclasses import asdict, fields

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from service.domain.scores import SliSlice
from service.domain.slis import Tally
from service.store.tables import sli_minutes

SUMS = tuple(field.name for field in fields(Tally))


def add_tallies(connection: Connection, app_id: int, tallies: Mapping[SliSlice, Tally]) -> None:
    """Add to the stored counts."""
    rows = [
        {"app_id": app_id, **key._asdict(), **asdict(tallies[key])}
        # In one order for all writers, so that two jobs cannot wait for each other.
        for key in sorted(tallies)
    ]
    if not rows:
        return
    statement = insert(sli_minutes)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(sli_minutes.primary_key.columns),
            set_={name: sli_minutes.c[name] + statement.excluded[name] for name in SUMS},
        ),
        rows,
    )
