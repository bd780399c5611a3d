"""`/v1/corrections`: minutes that do not count, of the key's app."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.api.dependencies import Corrector, Reader, WithResources
from service.api.openapi import problems_of
from service.api.schemas.corrections import CorrectionIn, CorrectionListOut, CorrectionOut
from service.api.schemas.incidents import Identifier
from service.api.schemas.words import Name
from service.flows.correct_budget import correct_budget, revoke_correction
from service.store.corrections import page_corrections

router = APIRouter(prefix="/v1/corrections", tags=["corrections"])


@router.get("", responses=problems_of(401, 403, 422, 503))
def get_corrections(
    reader: Reader,
    resources: WithResources,
    before: Annotated[Identifier | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CorrectionListOut:
    """The app's corrections, the last added first; revoked ones too."""
    with resources.engine.connect() as connection:
        found = page_corrections(connection, reader.app.id, before=before, limit=limit + 1)
    page = [CorrectionOut.of(correction) for correction in found[:limit]]
    return CorrectionListOut(
        corrections=page, next_before=page[-1].id if len(found) > limit else None
    )


@router.post("", status_code=HTTPStatus.CREATED, responses=problems_of(400, 401, 403, 422, 503))
def post_correction(
    body: CorrectionIn, corrector: Corrector, resources: WithResources
) -> CorrectionOut:
    """Exclude minutes, past or coming, from what counts for the SLOs in its scope."""
    correction = correct_budget(
        resources.engine,
        corrector.app,
        body.scope,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        reason=body.reason,
        author=body.author,
        now=resources.clock(),
    )
    return CorrectionOut.of(correction)


@router.delete("/{correction_id}", responses=problems_of(401, 403, 404, 409, 422, 503))
def delete_correction(
    correction_id: Annotated[Identifier, Path()],
    by: Annotated[Name, Query()],
    corrector: Corrector,
    resources: WithResources,
) -> CorrectionOut:
    """Revoke it: its minutes count again. It stays in the list."""
    correction = revoke_correction(
        resources.engine, corrector.app, correction_id, by=by, now=resources.clock()
    )
    return CorrectionOut.of(correction)
