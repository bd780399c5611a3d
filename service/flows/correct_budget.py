"""Take minutes out of what counts for SLOs, and put them back.

Nothing is computed here: every reading subtracts the corrections that are in force when it is made,
so that adding or revoking one recomputes all of it with the next evaluation.
"""

from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine

from service.domain.corrections import (
    AlreadyRevokedError,
    Correction,
    CorrectionScope,
    InvalidCorrectionError,
    UnknownCorrectionError,
    check_correction,
)
from service.store import corrections as store
from service.store.apps import App
from service.store.slos import find_slo, list_slos
from service.store.tasks import find_task

_log = structlog.get_logger()


def correct_budget(
    engine: Engine,
    app: App,
    scope: CorrectionScope,
    *,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    author: str,
    now: datetime,
) -> Correction:
    """Exclude the minutes from all SLOs of the app that the scope names.

    Raises:
        InvalidCorrectionError: it has no end in sight, or the scope names nothing that there is.
    """
    check_correction(starts_at, ends_at, reason, now=now)
    with engine.begin() as connection:
        _require_scope(connection, app, scope)
        added = store.add_correction(
            connection,
            app.id,
            scope,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            author=author,
            now=now,
        )
        correction = _require(connection, app, added)
    _log.info("correction_added", app=app.name, correction=added)
    return correction


def revoke_correction(
    engine: Engine, app: App, correction_id: int, *, by: str, now: datetime
) -> Correction:
    """Let the minutes of a correction count again; it stays in the list, as revoked.

    Raises:
        UnknownCorrectionError: the app has none of this id.
        AlreadyRevokedError: with who and when.
    """
    with engine.begin() as connection:
        is_first = store.revoke_correction(connection, app.id, correction_id, by=by, now=now)
        correction = _require(connection, app, correction_id)
    if not is_first:
        raise AlreadyRevokedError(
            f"Correction {correction_id} was revoked by {correction.revoked_by} at "
            f"{correction.revoked_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    _log.info("correction_revoked", app=app.name, correction=correction_id)
    return correction


def _require(connection: Connection, app: App, correction_id: int) -> Correction:
    found = store.find_correction(connection, app.id, correction_id)
    if found is None:
        raise UnknownCorrectionError(f"The app '{app.name}' has no correction {correction_id}")
    return found


def _require_scope(connection: Connection, app: App, scope: CorrectionScope) -> None:
    """A name that does not exist would correct nothing, and nobody would notice."""
    if scope.task is not None and find_task(connection, app.id, scope.task) is None:
        raise InvalidCorrectionError(f"the app '{app.name}' has no task '{scope.task}'")
    slos = list_slos(connection, app=app.name)
    if scope.slo is not None and find_slo(connection, app.name, scope.slo) is None:
        known = ", ".join(stored.slo.name for stored in slos) or "none"
        raise InvalidCorrectionError(
            f"the app '{app.name}' has no SLO '{scope.slo}'; it has: {known}"
        )
    environments = sorted({stored.slo.indicator.environment for stored in slos})
    if scope.environment is not None and scope.environment not in environments:
        raise InvalidCorrectionError(
            f"no SLO of the app '{app.name}' watches the environment '{scope.environment}'; "
            f"they watch: {', '.join(environments) or 'none'}"
        )
