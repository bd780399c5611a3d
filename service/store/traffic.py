"""The traffic of many SLOs' streams, by hour: what shows gaps and silence."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Double, Integer, and_, cast, func, select

from service.domain.traffic import HourCounts, Lifetime, Traffic
from service.store.asking import TABLES, asked_cte, asking, matches
from service.store.measured import Measured, Source
from service.store.totals import DAY, HOUR

LONGEST_SILENCE = timedelta(days=35)
"""A stream without calls for longer is one that never had any."""
_HOUR = timedelta(hours=1)


def read_traffic(
    connection: Connection, measured: Sequence[Measured], *, since: datetime, now: datetime
) -> list[Traffic]:
    """Of each indicator; `since`: see `Traffic`."""
    since = _hour_of(since)
    until = _hour_of(now) + _HOUR
    found: list[Traffic | None] = [None] * len(measured)
    for source in TABLES:
        chosen = {n: each for n, each in enumerate(measured) if each.source == source}
        if chosen:
            hours = _read_hours(connection, source, chosen, since, until)
            days = _read_days(connection, source, chosen, now)
            for number in chosen:
                days_of = days.get(number, Lifetime(None, None))
                found[number] = Traffic(since, until, hours.get(number, HourCounts()), days_of)
    return [each for each in found if each is not None]


def _read_hours(
    connection: Connection,
    source: Source,
    measured: dict[int, Measured],
    since: datetime,
    until: datetime,
) -> dict[int, HourCounts]:
    asked, totals = asked_cte(source), TABLES[source][1]
    size = totals.c.n if source == "scores" else totals.c.calls
    query = (
        select(
            asked.c.number,
            cast(func.extract("epoch", totals.c.starts_at - since) / 3_600, Integer).label("hour"),
            cast(func.sum(size), Double).label("size"),
            func.bit_or(totals.c.minutes_seen).label("seen"),
        )
        .select_from(asked)
        .join(
            totals,
            and_(
                totals.c.span == HOUR,
                totals.c.starts_at >= since,
                totals.c.starts_at < until,
                *matches(source, totals, asked),
            ),
        )
        .group_by(asked.c.number, totals.c.starts_at)
        .subquery()
    )
    # Arrays: a row for each hour would take longer to fetch than all of it to read.
    arrays = select(
        query.c.number,
        *(func.array_agg(query.c[name]) for name in ("hour", "size", "seen")),
    ).group_by(query.c.number)
    rows = connection.execute(arrays, asking(source, measured))
    return {number: HourCounts(*columns) for number, *columns in rows}


def _read_days(
    connection: Connection, source: Source, measured: dict[int, Measured], now: datetime
) -> dict[int, Lifetime]:
    asked, totals = asked_cte(source), TABLES[source][1]
    is_lately = (totals.c.span == DAY, totals.c.starts_at > now - LONGEST_SILENCE)
    query = (
        select(asked.c.number, func.min(totals.c.starts_at), func.max(totals.c.starts_at))
        .select_from(asked)
        .join(totals, and_(*is_lately, *matches(source, totals, asked)))
        .group_by(asked.c.number)
    )
    found = connection.execute(query, asking(source, measured))
    return {number: Lifetime(first, last) for number, first, last in found}


def _hour_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)
