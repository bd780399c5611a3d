"""SLOs as declared, and what the last evaluation found of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.slos import Slo
from service.store.slo_documents import read_slo, write_slo
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


_EVERY = (
    select(slos, apps.c.name.label("app_name"))
    .join_from(slos, apps)
    .order_by(apps.c.name, slos.c.name)
)
_IN_FORCE = slos.c.archived_at.is_(None)
_QUERY = _EVERY.where(_IN_FORCE)


def _stored(row: Any) -> StoredSlo:
    slo = read_slo(row.app_name, row.name, row.definition)
    return StoredSlo(row.id, row.app_id, row.display_name, slo)


def list_slos(connection: Connection, *, app: str | None = None) -> Sequence[StoredSlo]:
    """The SLOs in force, of all apps or of one."""
    query = _QUERY if app is None else _QUERY.where(apps.c.name == app)
    return [_stored(row) for row in connection.execute(query)]


def list_archived_slos(connection: Connection, *, app: str | None = None) -> Sequence[StoredSlo]:
    """The SLOs that are declared no more, of all apps or of one."""
    query = _EVERY.where(~_IN_FORCE)
    query = query if app is None else query.where(apps.c.name == app)
    return [_stored(row) for row in connection.execute(query)]


def find_slo(
    connection: Connection, app: str, name: str, *, or_archived: bool = False
) -> StoredSlo | None:
    """The SLO of that name."""
    query = _EVERY if or_archived else _QUERY
    row = connection.execute(query.where(apps.c.name == app, slos.c.name == name)).one_or_none()
    return _stored(row) if row else None


def put_slo(connection: Connection, app_id: int, slo: Slo, *, display_name: str) -> int:
    """Create the SLO, bring it to this state or back from the archive; returns its id."""
    state = {"display_name": display_name, "definition": write_slo(slo), "archived_at": None}
    slo_id: int | None = connection.scalar(
        insert(slos)
        .values(app_id=app_id, name=slo.name, **state)
        .on_conflict_do_update(index_elements=["app_id", "name"], set_=state)
        .returning(slos.c.id)
    )
    assert slo_id is not None  # noqa: S101 - an upsert returns its row
    return slo_id


def archive_slos(connection: Connection, slo_ids: Collection[int], *, now: datetime) -> None:
    """Evaluate these no more; whatever is known of them stays.

    Waits for evaluations of them that are under way: see `lock_in_force`.
    """
    connection.execute(
        slos.update().where(slos.c.id.in_(slo_ids), _IN_FORCE).values(archived_at=now)
    )


def lock_in_force(connection: Connection, slo_id: int) -> bool:
    """Whether the SLO is in force; then it stays so until the transaction ends.

    For an evaluation that is about to raise or clear an alert: nobody would clear an alert that is
    raised just after its SLO was archived.
    """
    query = select(slos.c.id).where(slos.c.id == slo_id, _IN_FORCE)
    return connection.scalar(query.with_for_update(read=True)) is not None


def read_states(connection: Connection) -> dict[int, SloState]:
    """The last evaluation of every SLO, by SLO id."""
    columns = [slo_states.c[name] for name in SloState.__slots__]
    states = (SloState(*row) for row in connection.execute(select(*columns)))
    return {state.slo_id: state for state in states}


def put_states(connection: Connection, states: Collection[SloState]) -> None:
    """Store evaluations; one that is older than what is there changes nothing."""
    # In one order for all writers, so that no two wait for each other in a circle.
    ordered = sorted(states, key=lambda state: state.slo_id)
    rows = [{name: getattr(state, name) for name in SloState.__slots__} for state in ordered]
    if rows:
        connection.execute(_PUT_STATE, rows)


_INSERT_STATE = insert(slo_states)
_PUT_STATE = _INSERT_STATE.on_conflict_do_update(
    index_elements=["slo_id"],
    set_={
        name: _INSERT_STATE.excluded[name]
        for name in ("status", "sentence", "verdict", "evaluated_at")
    },
    where=slo_states.c.evaluated_at <= _INSERT_STATE.excluded.evaluated_at,
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
