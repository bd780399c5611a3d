"""What an SLO's counts add up to per release, model and prompt version: where to look first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from service.domain.slis import Tally
from service.store.readings import Measured
from service.store.sli_minutes import SUMS
from service.store.tables import call_counts, sli_minutes

LARGEST = 20
"""An app that puts a new word into `release` with every call must not fill the page."""


@dataclass(frozen=True, slots=True)
class Version:
    """What answered: the app's release, the model and the prompt version."""

    release: str
    model: str
    prompt_version: str


def read_tally_by_version(
    connection: Connection, measured: Measured, start: datetime, end: datetime
) -> dict[Version, Tally]:
    """The largest slices of (start, end], the largest first."""
    indicator = measured.indicator
    table = sli_minutes if indicator.kind == "quality" else call_counts
    names = [table.c[name] for name in Version.__slots__]
    size = func.sum(table.c.n if indicator.kind == "quality" else table.c.calls)
    sums: list[ColumnElement[Any]]
    more: list[ColumnElement[bool]]
    if indicator.kind == "quality":
        sums = [func.sum(sli_minutes.c[name]) for name in SUMS]
        more = [
            sli_minutes.c.evaluator == indicator.evaluator,
            sli_minutes.c.evaluator_version == measured.evaluator_version,
        ]
    else:
        failed = func.sum(call_counts.c.calls).filter(call_counts.c.outcome == "error")
        sums, more = [size, func.coalesce(failed, 0)], []
    rows = connection.execute(
        select(*names, *sums)
        .where(
            table.c.app_id == measured.app_id,
            table.c.minute > start,
            table.c.minute <= end,
            table.c.environment == indicator.environment,
            table.c.task == indicator.task,
            *more,
        )
        .group_by(*names)
        .order_by(size.desc(), *names)
        .limit(LARGEST)
    )
    read = _tally if indicator.kind == "quality" else _count
    return {Version(*row[:3]): read(*row[3:]) for row in rows}


def _tally(*sums: float) -> Tally:
    named = dict(zip(SUMS, sums, strict=True))
    return Tally(**named | {name: int(named[name]) for name in ("n", "bad_n")})  # type: ignore[arg-type]


def _count(total: int, failed: int) -> Tally:
    return Tally.from_counts(int(total), int(failed))
