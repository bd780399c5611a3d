"""`GET /v1/slos/{name}/gate`: may this be released?"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.api.dependencies import Reader, WithResources
from service.api.openapi import problems_of
from service.api.schemas.slos import GateOut
from service.api.schemas.words import Name
from service.domain.gate import UnknownAs
from service.flows.inspect_slos import inspect_slo

router = APIRouter(prefix="/v1/slos", tags=["slos"])
App = Annotated[Name | None, Query(description="Refused where the key is another app's.")]
Unknown = Annotated[UnknownAs, Query(description="What an unknown verdict counts as.")]
FailStatus = Annotated[
    bool,
    Query(description="Answer 409 unless it counts as pass, for `curl --fail-with-body`."),
]


@router.get(
    "/{name}/gate",
    responses=problems_of(401, 403, 404, 422, 503)
    | {409: {"model": GateOut, "description": "Not to be released; only with `fail_status`"}},
)
def get_gate(
    name: Annotated[Name, Path()],
    reader: Reader,
    resources: WithResources,
    response: Response,
    app: App = None,
    unknown: Unknown = "unknown",
    fail_status: FailStatus = False,
) -> GateOut:
    """Pass, fail or unknown, and why."""
    reader.require_app(app)
    with resources.engine.connect() as connection:
        watched = inspect_slo(connection, reader.app.name, name, now=resources.clock())
    answer = GateOut.of(watched, unknown)
    response.headers["Cache-Control"] = "no-store"
    if fail_status and answer.counted_as != "pass":
        response.status_code = HTTPStatus.CONFLICT
    return answer
