"""What an SLO's counts add up to per version of what answered, and per step of time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from service.domain.slis import Tally
from service.store.measured import Measured
from service.store.readings import read_tallies

LARGEST = 20
"""An app that puts a new word into `release` with every call must not fill the page."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Version:
    """What answered: the app's release, the model and the prompt version."""

    release: str
    model: str
    prompt_version: str


def read_tally_by_version(
    connection: Connection, measured: Measured, start: datetime, end: datetime
) -> dict[Version, Tally]:
    """The largest slices of [start, end), the largest first."""
    names = [measured.table.c[name] for name in Version.__slots__]
    rows = connection.execute(
        select(*names, *measured.sums)
        .where(*measured.within(start, end))
        .group_by(*names)
        .order_by(func.sum(measured.size).desc(), *names)
        .limit(LARGEST)
    )
    return {Version(*row[:3]): measured.judged(measured.tally(row[3:])) for row in rows}


def read_tallies_by_step(
    connection: Connection,
    measured: Measured,
    start: datetime,
    end: datetime,
    *,
    step: timedelta,
) -> list[tuple[datetime, Tally]]:
    """The sums of each step in [start, end) that has any, in order; steps count from the epoch."""
    first = (start - _EPOCH) // step + 1
    inner = (_EPOCH + (first + number) * step for number in range(-(-(end - start) // step)))
    edges = [start, *(at for at in inner if start < at < end), end]
    tallies = zip(edges, read_tallies(connection, measured, edges), strict=False)
    return [(_EPOCH + (at - _EPOCH) // step * step, tally) for at, tally in tallies if tally.n]
