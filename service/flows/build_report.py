"""Build a team's weekly report."""

from datetime import datetime

from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service.domain.iso_weeks import WEEK, IsoWeek, Stretch
from service.domain.weekly_report import (
    Amount,
    AppReport,
    ReportedIncident,
    SloCounts,
    SloReport,
    WeeklyReport,
    report_incident,
    report_slo,
)
from service.errors import NotFoundError
from service.flows.measure_slo import measure_slo
from service.store.apps import App, list_apps, list_teams
from service.store.reports import (
    count_awaiting_score,
    count_scored_by_other_versions,
    list_fed_incidents,
    list_opened_incidents,
    read_stretch_tally,
    read_usage,
)
from service.store.slos import StoredSlo, list_slos


class UnknownTeamError(NotFoundError):
    """No app belongs to this team."""


def build_report(
    engine: Engine, registry: Registry, *, team: str, week: str | None, now: datetime
) -> WeeklyReport:
    """`week` like 2026-W47; None is the current one.

    Raises:
        InvalidWeekError: not a week, or one that has not begun.
        UnknownTeamError: with the teams that there are.
    """
    chosen = IsoWeek.containing(now) if week is None else IsoWeek.parse(week)
    stretch = chosen.until(now)
    # One snapshot for all reads: figures that are shown side by side fit together.
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        apps = list_apps(connection, team=team)
        if not apps:
            raise _unknown_team(team, list_teams(connection))
        return WeeklyReport(
            team=team,
            week=chosen,
            stretch=stretch,
            compared_with=stretch.shifted(-WEEK),
            is_complete=stretch.length == WEEK,
            generated_at=now,
            apps=tuple(_report_app(connection, registry, app, stretch, now) for app in apps),
        )


def _unknown_team(team: str, known: list[str]) -> UnknownTeamError:
    if team in known:
        return UnknownTeamError(f"The team '{team}' has no app any more")
    names = ", ".join(known) or "none yet; declare an app and its team with: watchkeeper apply"
    return UnknownTeamError(f"There is no team '{team}'; the teams are: {names}")


def _report_app(
    connection: Connection, registry: Registry, app: App, stretch: Stretch, now: datetime
) -> AppReport:
    usage = read_usage(connection, app.id, stretch)
    before = read_usage(connection, app.id, stretch.shifted(-WEEK))
    opened = list_opened_incidents(connection, app.id, stretch)
    incidents = tuple(report_incident(incident, now=now) for incident in opened)
    return AppReport(
        name=app.name,
        display_name=app.display_name,
        simulated=app.simulated,
        calls=Amount(usage.calls, before.calls),
        cost_usd=Amount(usage.cost_usd, before.cost_usd),
        incidents=incidents,
        slos=tuple(
            _report_slo(connection, registry, stored, stretch, incidents)
            for stored in list_slos(connection, app=app.name)
        ),
    )


def _report_slo(
    connection: Connection,
    registry: Registry,
    stored: StoredSlo,
    stretch: Stretch,
    incidents: tuple[ReportedIncident, ...],
) -> SloReport:
    measured = measure_slo(connection, registry, stored)
    before = stretch.shifted(-WEEK)
    window = Stretch(stretch.ends_at - stored.slo.window, stretch.ends_at)
    counts = SloCounts(
        week=read_stretch_tally(connection, measured, stretch),
        week_before=read_stretch_tally(connection, measured, before),
        slo_window=read_stretch_tally(connection, measured, window),
        usage=read_usage(connection, stored.app_id, stretch, of=measured),
        usage_before=read_usage(connection, stored.app_id, before, of=measured),
        awaiting_score=count_awaiting_score(connection, measured, stretch),
        scored_by_other_versions=count_scored_by_other_versions(connection, measured, stretch),
    )
    fed = list_fed_incidents(connection, stored.slo.alert_source)
    own = tuple(incident for incident in incidents if incident.id in fed)
    return report_slo(stored.slo, stored.display_name, measured.evaluator_version, counts, own)
