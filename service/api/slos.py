"""`/v1/slos`: how the SLOs of the key's app stand."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.api.dependencies import Reader, WithResources
from service.api.openapi import problems_of
from service.api.schemas.slos import SloListOut, SloOut
from service.api.schemas.words import Name
from service.flows.inspect_slos import inspect_slo, inspect_slos

router = APIRouter(prefix="/v1/slos", tags=["slos"])


@router.get("", responses=problems_of(401, 403, 422, 503))
def get_slos(
    reader: Reader,
    resources: WithResources,
    after: Annotated[Name | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> SloListOut:
    """The app's SLOs by name, with state, burn rates, budget and sample size."""
    with resources.engine.connect() as connection:
        watched = inspect_slos(connection, reader.app.name, now=resources.clock())
    coming = sorted(
        (each for each in watched if after is None or each.stored.slo.name > after),
        key=lambda each: each.stored.slo.name,  # the database may sort names by its own language
    )
    page = [SloOut.of(each) for each in coming[:limit]]
    return SloListOut(slos=page, next_after=page[-1].name if len(coming) > limit else None)


@router.get("/{name}", responses=problems_of(401, 403, 404, 422, 503))
def get_slo(name: Annotated[Name, Path()], reader: Reader, resources: WithResources) -> SloOut:
    """One SLO of the app."""
    with resources.engine.connect() as connection:
        watched = inspect_slo(connection, reader.app.name, name, now=resources.clock())
    return SloOut.of(watched)
