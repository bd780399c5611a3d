"""The pages. Each reads, builds a frozen view and renders it; buttons call the API's own flows."""

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from service.flows.acknowledge_incident import acknowledge_incident
from service.flows.resolve_incident import resolve_incident
from service.web.incidents import build_incident_list, build_incident_view
from service.web.inputs import Before, By, IncidentId, NameInPath, Note, Team, Week
from service.web.instances import build_instances_view
from service.web.overview import build_overview
from service.web.rendering import render
from service.web.reports import build_report_view, build_teams_view
from service.web.resources import WithResources
from service.web.routing import PageRoute
from service.web.slos import build_slo_view

_STYLE = Path(__file__).parent / "static" / "style.css"
router = APIRouter(
    route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)


@router.get("/")
def show_overview(resources: WithResources) -> HTMLResponse:
    """Every app at a glance."""
    return render("overview.html", build_overview(resources.engine, now=resources.clock()))


@router.get("/incidents")
def show_incidents(resources: WithResources, before: Before | None = None) -> HTMLResponse:
    """What is open, and what is over."""
    view = build_incident_list(resources.engine, before=before, now=resources.clock())
    return render("incidents.html", view)


@router.get("/incidents/{incident_id}")
def show_incident(incident_id: IncidentId, resources: WithResources) -> HTMLResponse:
    """One incident, with its evidence."""
    view = build_incident_view(
        resources.engine, resources.registry, incident_id, now=resources.clock()
    )
    return render("incident.html", view)


@router.post("/incidents/{incident_id}/acknowledge")
def acknowledge(incident_id: IncidentId, by: By, resources: WithResources) -> RedirectResponse:
    """The button; then the incident again."""
    acknowledge_incident(resources.engine, incident_id, by=by, now=resources.clock())
    return _to_incident(incident_id)


@router.post("/incidents/{incident_id}/resolve")
def resolve(
    incident_id: IncidentId, by: By, resources: WithResources, note: Note = ""
) -> RedirectResponse:
    """The button; then the incident again."""
    resolve_incident(resources.engine, incident_id, by=by, note=note, now=resources.clock())
    return _to_incident(incident_id)


@router.get("/slos/{app}/{name}")
def show_slo(app: NameInPath, name: NameInPath, resources: WithResources) -> HTMLResponse:
    """One SLO: definition, tiers, chart, budget."""
    view = build_slo_view(resources.engine, resources.registry, app, name, now=resources.clock())
    return render("slo.html", view)


@router.get("/apps/{app}/instances")
def show_instances(app: NameInPath, resources: WithResources) -> HTMLResponse:
    """Whether every call of an app is accounted for."""
    view = build_instances_view(resources.engine, app, now=resources.clock())
    return render("instances.html", view)


@router.get("/reports")
def show_teams(resources: WithResources) -> HTMLResponse:
    """Whose reports there are."""
    return render("reports.html", build_teams_view(resources.engine, now=resources.clock()))


@router.get("/reports/weekly")
def show_weekly_report(
    resources: WithResources, team: Team, week: Week | None = None
) -> HTMLResponse:
    """A team's week, as `GET /v1/reports/weekly` gives it."""
    view = build_report_view(
        resources.engine, resources.registry, team=team, week=week, now=resources.clock()
    )
    return render("weekly_report.html", view)


@router.get("/static/style.css")
def send_style() -> FileResponse:
    """The one style sheet."""
    return FileResponse(_STYLE, media_type="text/css", headers={"Cache-Control": "no-cache"})


def _to_incident(incident_id: int) -> RedirectResponse:
    return RedirectResponse(f"/incidents/{incident_id}", HTTPStatus.SEE_OTHER)
