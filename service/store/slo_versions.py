"""Every version of every SLO that was ever in force; nothing here is changed or removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from service.domain.slos import Slo
from service.store.slo_documents import write_slo
from service.store.tables import slo_versions


@dataclass(frozen=True, slots=True)
class SloVersion:
    """A version; `definition` is as it was written then, and may lack what came up since."""

    slo_id: int
    version: int
    definition: dict[str, Any]
    applied_at: datetime
    applied_by: str
    note: str


_VERSION = tuple(slo_versions.c[name] for name in SloVersion.__slots__)


def write_version(slo: Slo, display_name: str) -> dict[str, Any]:
    """What a version keeps of an SLO."""
    return {"display_name": display_name, **write_slo(slo)}


def add_version(
    connection: Connection,
    slo_id: int,
    definition: dict[str, Any],
    *,
    by: str,
    note: str,
    now: datetime,
) -> int:
    """The next version, from 1 on; returns its number. Whoever writes here holds apply's lock."""
    last = connection.scalar(
        select(func.max(slo_versions.c.version)).where(slo_versions.c.slo_id == slo_id)
    )
    number = (last or 0) + 1
    connection.execute(
        insert(slo_versions).values(
            slo_id=slo_id,
            version=number,
            definition=definition,
            applied_at=now,
            applied_by=by,
            note=note,
        )
    )
    return number


def list_versions(connection: Connection, slo_id: int) -> Sequence[SloVersion]:
    """All of an SLO, the first one first."""
    query = select(*_VERSION).where(slo_versions.c.slo_id == slo_id)
    return [SloVersion(*row) for row in connection.execute(query.order_by(slo_versions.c.version))]


def latest_versions(connection: Connection) -> dict[int, SloVersion]:
    """The newest one of each SLO, by SLO id."""
    latest = select(slo_versions.c.slo_id, func.max(slo_versions.c.version)).group_by(
        slo_versions.c.slo_id
    )
    which = tuple_(slo_versions.c.slo_id, slo_versions.c.version).in_(latest)
    rows = connection.execute(select(*_VERSION).where(which))
    return {row.slo_id: SloVersion(*row) for row in rows}
