"""Build a team's weekly report."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service.domain.coverage import StretchCounts, Versions, choose_version
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
from service.store.measured import Measured
from service.store.reports import (
    count_awaiting_score,
    count_scored,
    list_fed_incidents,
    list_incidents_within,
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
            apps=tuple(_report_app(connection, registry, app, stretch) for app in apps),
        )


def _unknown_team(team: str, known: list[str]) -> UnknownTeamError:
    if team in known:
        return UnknownTeamError(f"The team '{team}' has no app any more")
    names = ", ".join(known) or "none yet; declare an app and its team with: watchkeeper apply"
    return UnknownTeamError(f"There is no team '{team}'; the teams are: {names}")


def _report_app(
    connection: Connection, registry: Registry, app: App, stretch: Stretch
) -> AppReport:
    usage = read_usage(connection, app.id, stretch)
    before = read_usage(connection, app.id, stretch.shifted(-WEEK))
    found = list_incidents_within(connection, app.id, stretch)
    incidents = tuple(report_incident(incident, stretch) for incident in found)
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
    in_force = measure_slo(connection, registry, stored)
    scored = count_scored(connection, in_force, stretch).by_version
    version = choose_version(in_force.evaluator_version, scored, is_over=stretch.length == WEEK)
    measured = replace(in_force, evaluator_version=version)
    before = stretch.shifted(-WEEK)
    window = Stretch(stored.slo.budget_starts_at(stretch.ends_at), stretch.ends_at)
    counts = SloCounts(
        week=_count(connection, measured, stretch),
        week_before=_count(connection, measured, before),
        slo_window=_count(connection, measured, window),
        usage=read_usage(connection, stored.app_id, stretch, of=measured),
        usage_before=read_usage(connection, stored.app_id, before, of=measured),
    )
    fed = list_fed_incidents(connection, stored.slo.alert_sources, stretch)
    own = tuple(incident for incident in incidents if incident.id in fed)
    versions = Versions(version, in_force.evaluator_version)
    return report_slo(stored.slo, stored.display_name, versions, counts, own)


def _count(connection: Connection, measured: Measured, stretch: Stretch) -> StretchCounts:
    scored = count_scored(connection, measured, stretch)
    others = set(scored.by_version) - {measured.evaluator_version}
    return StretchCounts(
        tally=read_stretch_tally(connection, measured, stretch),
        by_other_versions=sum(scored.by_version[version] for version in others),
        awaiting_score=count_awaiting_score(connection, measured, stretch),
        evaluator_failed=scored.failed,
    )
