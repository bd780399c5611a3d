"""SLOs as declared, and what the last evaluation found of each."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.alert_windows import AlertTier
from service.domain.slos import Indicator, Slo
from service.store.tables import apps, slo_states, slos


@dataclass(frozen=True, slots=True)
class StoredSlo:
    """A declared SLO, with the ids that rows are found by."""

    id: int
    app_id: int
    display_name: str
    slo: Slo


@dataclass(frozen=True, slots=True)
class SloState:
    """What the last evaluation of an SLO found; `verdict` is the whole of it, as JSON."""

    slo_id: int
    status: str
    sentence: str
    verdict: dict[str, Any]
    evaluated_at: datetime


_QUERY = (
    select(slos, apps.c.name.label("app_name"))
    .join_from(slos, apps)
    .where(slos.c.archived_at.is_(None))
    .order_by(apps.c.name, slos.c.name)
)


def _stored(row: Any) -> StoredSlo:
    indicator = Indicator(row.kind, row.task, row.environment, row.evaluator)
    tiers = tuple(_tier(document) for document in row.tiers)
    slo = Slo(row.name, row.app_name, indicator, row.objective, row.window, tiers)
    return StoredSlo(row.id, row.app_id, row.display_name, slo)


def _tier(document: dict[str, Any]) -> AlertTier:
    return AlertTier(
        severity=document["severity"],
        long=timedelta(seconds=document["long_s"]),
        short=timedelta(seconds=document["short_s"]),
        factor=document["factor"],
        budget_share=document["budget_share"],
    )


def tier_document(tier: AlertTier) -> dict[str, Any]:
    """A tier as JSON."""
    document = asdict(tier)
    return document | {
        "long_s": document.pop("long").total_seconds(),
        "short_s": document.pop("short").total_seconds(),
    }


def list_slos(connection: Connection, *, app: str | None = None) -> Sequence[StoredSlo]:
    """The SLOs in force, of all apps or of one."""
    query = _QUERY if app is None else _QUERY.where(apps.c.name == app)
    return [_stored(row) for row in connection.execute(query)]


def find_slo(connection: Connection, app: str, name: str) -> StoredSlo | None:
    """The SLO of that name."""
    row = connection.execute(_QUERY.where(apps.c.name == app, slos.c.name == name)).one_or_none()
    return _stored(row) if row else None


def put_slo(connection: Connection, app_id: int, slo: Slo, *, display_name: str) -> None:
    """Create the SLO or bring it to this state."""
    state = {
        "display_name": display_name,
        "kind": slo.indicator.kind,
        "environment": slo.indicator.environment,
        "task": slo.indicator.task,
        "evaluator": slo.indicator.evaluator,
        "objective": slo.objective,
        "window": slo.window,
        "tiers": [tier_document(tier) for tier in slo.tiers],
        "archived_at": None,
    }
    connection.execute(
        insert(slos)
        .values(app_id=app_id, name=slo.name, **state)
        .on_conflict_do_update(index_elements=["app_id", "name"], set_=state)
    )


def read_states(connection: Connection) -> dict[int, SloState]:
    """The last evaluation of every SLO, by SLO id."""
    columns = [slo_states.c[name] for name in SloState.__slots__]
    states = (SloState(*row) for row in connection.execute(select(*columns)))
    return {state.slo_id: state for state in states}


def put_state(connection: Connection, state: SloState) -> None:
    """Store an evaluation, unless a newer one is there already."""
    statement = insert(slo_states).values(**asdict(state))
    changed = ("status", "sentence", "verdict", "evaluated_at")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["slo_id"],
            set_={name: statement.excluded[name] for name in changed},
            where=slo_states.c.evaluated_at <= statement.excluded.evaluated_at,
        )
    )


def forget_alerting(connection: Connection, sources: Collection[str]) -> None:
    """From now on these SLOs fire by the whole rule only, as if they had not fired before.

    Before any lock of an incident, or holding the state's own: an evaluation locks its state,
    then the incident.
    """
    forgotten = [
        stored.id for stored in list_slos(connection) if stored.slo.alert_source in sources
    ]
    connection.execute(
        slo_states.update()
        .where(slo_states.c.slo_id.in_(forgotten))
        .values(verdict=slo_states.c.verdict.concat({"alerting_tiers": []}))
    )


def latest_evaluation(connection: Connection) -> datetime | None:
    """When any SLO was last evaluated."""
    latest: datetime | None = connection.scalar(select(func.max(slo_states.c.evaluated_at)))
    return latest
