"""What the slow-leak detector last found of each SLO, and when its alerts were cleared."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from service.store.tables import alerts, slo_leaks


@dataclass(frozen=True, slots=True)
class LeakState:
    """The latest verdict on one SLO.

    judged_until: of event time.  leaking_since: when it most likely began, where the evidence is
    more than slight.  alarmed_at: of the ticket that is open.  reading: all of it, as JSON.
    """

    slo_id: int
    target_version: str
    status: str
    sentence: str
    e_value: float
    threshold: float
    hours_seen: int
    judged_until: datetime
    leaking_since: datetime | None
    alarmed_at: datetime | None
    reading: dict[str, Any]


def read_leaks(connection: Connection) -> dict[int, LeakState]:
    """By SLO id."""
    columns = [slo_leaks.c[name] for name in LeakState.__slots__]
    states = (LeakState(*row) for row in connection.execute(select(*columns)))
    return {state.slo_id: state for state in states}


def put_leak(connection: Connection, state: LeakState) -> None:
    """Store the latest verdict on an SLO."""
    values = asdict(state)
    statement = insert(slo_leaks).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["slo_id"],
            set_={name: statement.excluded[name] for name in values if name != "slo_id"},
        )
    )


def drop_leak(connection: Connection, slo_id: int) -> None:
    """Forget the verdict on an SLO that is not declared any more."""
    connection.execute(slo_leaks.delete().where(slo_leaks.c.slo_id == slo_id))


def read_last_cleared(connection: Connection) -> dict[str, datetime]:
    """When the newest alert of each source of leaks was cleared, by whomever."""
    query = (
        select(alerts.c.source, func.max(alerts.c.cleared_at).label("at"))
        .where(alerts.c.source.startswith("leak/"), alerts.c.cleared_at.is_not(None))
        .group_by(alerts.c.source)
    )
    return {row.source: row.at for row in connection.execute(query)}
