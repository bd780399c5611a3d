"""`GET /v1/reports/weekly`: did quality hold, what did it cost, what changed?"""

from typing import Annotated

from fastapi import APIRouter, Query

from service.api.dependencies import WithResources
from service.api.openapi import problems_of
from service.api.schemas.reports import WeeklyReportOut
from service.api.schemas.words import Name
from service.flows.build_report import build_report

router = APIRouter(prefix="/v1/reports", tags=["reports"])
Week = Annotated[str, Query(max_length=20, description="ISO week, UTC, like 2026-W47")]


@router.get("/weekly", responses=problems_of(404, 422, 503))
def get_weekly_report(
    resources: WithResources, team: Annotated[Name, Query()], week: Week | None = None
) -> WeeklyReportOut:
    """A team's week; without `week` the current one, as far as it has come."""
    report = build_report(
        resources.engine, resources.registry, team=team, week=week, now=resources.clock()
    )
    return WeeklyReportOut.of(report)
