"""SLI counts: what scored samples add up to, per minute and slice."""

from collections.abc import Mapping
from dataclasses import asdict, fields

from sqlalchemy import Connection

from service.domain.scores import SliSlice
from service.domain.slis import Tally
from service.store.adding import add_rows
from service.store.tables import sli_minutes

SUMS = tuple(field.name for field in fields(Tally))


def add_tallies(connection: Connection, app_id: int, tallies: Mapping[SliSlice, Tally]) -> None:
    """Add to the stored counts."""
    rows = ({"app_id": app_id, **key._asdict(), **asdict(tally)} for key, tally in tallies.items())
    add_rows(connection, sli_minutes, rows, SUMS)
