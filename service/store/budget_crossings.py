"""Over which stretches of time consequences of error budget policies were in force."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, or_, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.budget_policy import Crossing
from service.domain.slos import Action, Consequence
from service.store.tables import budget_crossings


def read_crossings(
    connection: Connection, *, since: datetime, slo_id: int | None = None
) -> dict[int, list[Crossing]]:
    """Those in force, and those that ended after `since`, by SLO id and beginning."""
    columns = budget_crossings.c
    query = (
        select(budget_crossings)
        .where(or_(columns.until.is_(None), columns.until > since))
        .order_by(columns.since, columns.id)
    )
    if slo_id is not None:
        query = query.where(columns.slo_id == slo_id)
    found: dict[int, list[Crossing]] = defaultdict(list)
    for row in connection.execute(query):
        consequence = Consequence(row.at_remaining, cast(Action, row.action))
        found[row.slo_id].append(
            Crossing(consequence, row.remaining, row.period_at, row.since, row.until)
        )
    return dict(found)


def begin_crossing(connection: Connection, slo_id: int, crossing: Crossing) -> bool:
    """False where somebody else was first: one is in force already."""
    begun = connection.execute(
        insert(budget_crossings)
        .values(
            slo_id=slo_id,
            action=crossing.consequence.action,
            at_remaining=crossing.consequence.at_remaining,
            remaining=crossing.remaining,
            period_at=crossing.period_at,
            since=crossing.since,
        )
        .on_conflict_do_nothing(
            index_elements=["slo_id", "action", "at_remaining"],
            index_where=budget_crossings.c.until.is_(None),
        )
        .returning(budget_crossings.c.id)
    )
    return begun.first() is not None


def end_crossings(
    connection: Connection, slo_id: int, ended: Collection[Crossing], *, now: datetime
) -> None:
    """These are in force no more."""
    columns = budget_crossings.c
    for crossing in ended:
        connection.execute(
            budget_crossings.update()
            .where(
                columns.slo_id == slo_id,
                columns.action == crossing.consequence.action,
                columns.at_remaining == crossing.consequence.at_remaining,
                columns.until.is_(None),
            )
            .values(until=now)
        )


def end_undeclared(connection: Connection, slo_ids: Sequence[int], *, now: datetime) -> None:
    """Whatever is in force of SLOs other than these is so no more."""
    columns = budget_crossings.c
    connection.execute(
        budget_crossings.update()
        .where(columns.slo_id.not_in(slo_ids), columns.until.is_(None))
        .values(until=now)
    )
