"""`/v1/incidents`: what is wrong, who takes care of it, when it was over."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.api.dependencies import WithResources
from service.api.openapi import problems_of
from service.api.schemas.incidents import (
    AcknowledgeIn,
    Identifier,
    IncidentListOut,
    IncidentOut,
    IncidentRecordOut,
    ResolveIn,
)
from service.api.schemas.words import Name
from service.domain.incidents import Status
from service.flows.acknowledge_incident import acknowledge_incident
from service.flows.resolve_incident import resolve_incident
from service.store.apps import find_app
from service.store.incidents import list_incidents, read_incident
from service.store.known_apps import UnknownAppError

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])
IncidentId = Annotated[Identifier, Path()]


@router.get("", responses=problems_of(404, 422, 503))
def get_incidents(
    resources: WithResources,
    status: Annotated[list[Status], Query(max_length=3)] = [],  # noqa: B006 - never written to
    app: Annotated[Name | None, Query()] = None,
    before: Annotated[Identifier | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> IncidentListOut:
    """Incidents, the newest first; `status` can be given more than once."""
    with resources.engine.connect() as connection:
        if app is not None and find_app(connection, app) is None:
            raise UnknownAppError(f"There is no app '{app}'")  # not "no incidents": it is a typo
        found = list_incidents(connection, statuses=status, app=app, before=before, limit=limit)
    return IncidentListOut(
        incidents=[IncidentOut.model_validate(incident) for incident in found],
        next_before=found[-1].id if len(found) == limit else None,
    )


@router.get("/{incident_id}", responses=problems_of(404, 422, 503))
def get_incident(incident_id: IncidentId, resources: WithResources) -> IncidentRecordOut:
    """One incident with its alerts and its timeline."""
    with resources.engine.connect() as connection:
        record = read_incident(connection, incident_id)
    return IncidentRecordOut.model_validate(record)


@router.post("/{incident_id}/acknowledge", responses=problems_of(400, 404, 409, 422, 503))
def post_acknowledgement(
    incident_id: IncidentId, body: AcknowledgeIn, resources: WithResources
) -> IncidentOut:
    """Say that somebody takes care of it."""
    incident = acknowledge_incident(
        resources.engine, incident_id, by=body.by, now=resources.clock()
    )
    return IncidentOut.model_validate(incident)


@router.post("/{incident_id}/resolve", responses=problems_of(400, 404, 409, 422, 503))
def post_resolution(
    incident_id: IncidentId, body: ResolveIn, resources: WithResources
) -> IncidentOut:
    """Say that it is over. Its alerts clear; a source that still fires by the calls since then
    opens a new incident.
    """
    incident = resolve_incident(
        resources.engine, incident_id, by=body.by, note=body.note, now=resources.clock()
    )
    return IncidentOut.model_validate(incident)
