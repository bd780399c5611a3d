"""What an SLO's counts add up to per version of what answered, and per step of time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, literal, select

from service.domain.slis import Tally
from service.store.measured import Measured

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
    return {Version(*row[:3]): measured.tally(row[3:]) for row in rows}


def read_tallies_by_step(
    connection: Connection,
    measured: Measured,
    start: datetime,
    end: datetime,
    *,
    step: timedelta,
) -> list[tuple[datetime, Tally]]:
    """The sums of each step in [start, end) that has any, in order; steps count from the epoch."""
    at = func.date_bin(literal(step), measured.minute, literal(_EPOCH))
    rows = connection.execute(
        select(at, *measured.sums).where(*measured.within(start, end)).group_by(at).order_by(at)
    )
    return [(at, measured.tally(sums)) for at, *sums in rows]
