"""Corrections of what counts: added, read, revoked; never deleted."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from service.domain.corrections import Correction, CorrectionScope
from service.store.tables import apps, corrections

_CORRECTION = select(corrections, apps.c.name.label("app")).join_from(corrections, apps)


def _read(row: Any) -> Correction:
    return Correction(
        id=row.id,
        app=row.app,
        scope=CorrectionScope(row.environment, row.task, row.slo),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        reason=row.reason,
        author=row.author,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )


def list_corrections(
    connection: Connection, *, since: datetime | None = None, app_id: int | None = None
) -> list[Correction]:
    """Those that reach beyond `since`, by their beginning; revoked ones too, which say so."""
    query = _CORRECTION.order_by(corrections.c.starts_at, corrections.c.id)
    if since is not None:
        query = query.where(corrections.c.ends_at > since)
    if app_id is not None:
        query = query.where(corrections.c.app_id == app_id)
    return [_read(row) for row in connection.execute(query)]


def page_corrections(
    connection: Connection, app_id: int, *, before: int | None, limit: int
) -> list[Correction]:
    """Those of an app, the last added first; `before` is the id of the last one already seen."""
    query = _CORRECTION.where(corrections.c.app_id == app_id)
    if before is not None:
        query = query.where(corrections.c.id < before)
    rows = connection.execute(query.order_by(corrections.c.id.desc()).limit(limit))
    return [_read(row) for row in rows]


def find_correction(connection: Connection, app_id: int, correction_id: int) -> Correction | None:
    """The app's correction of that id."""
    row = connection.execute(
        _CORRECTION.where(corrections.c.app_id == app_id, corrections.c.id == correction_id)
    ).one_or_none()
    return _read(row) if row else None


def add_correction(
    connection: Connection,
    app_id: int,
    scope: CorrectionScope,
    *,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    author: str,
    now: datetime,
) -> int:
    """Store one; returns its id."""
    added: int | None = connection.scalar(
        corrections.insert()
        .values(
            app_id=app_id,
            environment=scope.environment,
            task=scope.task,
            slo=scope.slo,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            author=author,
            created_at=now,
        )
        .returning(corrections.c.id)
    )
    assert added is not None  # noqa: S101 - an insert returns its row
    return added


def revoke_correction(
    connection: Connection, app_id: int, correction_id: int, *, by: str, now: datetime
) -> bool:
    """Let its minutes count again; False where it is not there, or somebody was first."""
    revoked = connection.execute(
        corrections.update()
        .where(
            corrections.c.app_id == app_id,
            corrections.c.id == correction_id,
            corrections.c.revoked_at.is_(None),
        )
        .values(revoked_at=now, revoked_by=by)
        .returning(corrections.c.id)
    )
    return revoked.first() is not None
