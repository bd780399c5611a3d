"""The views of the reports: the teams, and one team's week."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from evaluators.registry import Registry
from service.domain.iso_weeks import EARLIEST_YEAR, IsoWeek
from service.domain.weekly_report import WeeklyReport
from service.flows.build_report import build_report
from service.store.apps import App, list_apps


@dataclass(frozen=True, slots=True)
class TeamsView:
    """Every team that has apps, with them."""

    now: datetime
    apps_by_team: dict[str, tuple[App, ...]]
    week: IsoWeek


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report with the weeks beside it; None where no report can be."""

    now: datetime
    report: WeeklyReport
    previous_week: IsoWeek | None
    next_week: IsoWeek | None


def build_teams_view(engine: Engine, *, now: datetime) -> TeamsView:
    """The teams by name."""
    with engine.connect() as connection:
        apps = list_apps(connection)
    teams = sorted({app.team for app in apps})
    by_team = {team: tuple(app for app in apps if app.team == team) for team in teams}
    return TeamsView(now, by_team, IsoWeek.containing(now))


def build_report_view(
    engine: Engine, registry: Registry, *, team: str, week: str | None, now: datetime
) -> ReportView:
    """The same report as the API and the command line give."""
    report = build_report(engine, registry, team=team, week=week, now=now)
    previous = report.week.previous
    return ReportView(
        now=now,
        report=report,
        previous_week=previous if previous.year >= EARLIEST_YEAR else None,
        next_week=report.week.next if report.week < IsoWeek.containing(now) else None,
    )
