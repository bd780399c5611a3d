"""`GET /v1/instances`: is every call of an app accounted for?"""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from service.api.dependencies import WithResources
from service.api.openapi import problems_of
from service.api.schemas.instances import (
    AccountOut,
    InstanceListOut,
    InstanceOut,
    TotalsOut,
)
from service.api.schemas.words import Name
from service.domain.accounts import SILENT_AFTER
from service.store.known_apps import require_app
from service.store.sdk_instances import list_instances, sum_instances

LISTED = 200
router = APIRouter(prefix="/v1/instances", tags=["instances"])


@router.get("", responses=problems_of(404, 422, 503))
def get_instances(
    resources: WithResources,
    app: Annotated[Name, Query()],
    days: Annotated[int, Query(ge=1, le=30)] = 7,
) -> InstanceListOut:
    """The SDK instances of an app that were heard of in the last days, and their accounts."""
    now = resources.clock()
    since = now - timedelta(days=days)
    with resources.engine.connect() as connection:
        app_id = require_app(connection, app).id
        found = list_instances(
            connection, app_id, since=since, silent_before=now - SILENT_AFTER, limit=LISTED
        )
        totals = sum_instances(connection, app_id, since=since)
    return InstanceListOut(
        since=since,
        totals=TotalsOut(
            instances=totals.instances, account=AccountOut.model_validate(totals.account)
        ),
        instances=[InstanceOut.of(stored, now=now) for stored in found],
    )
