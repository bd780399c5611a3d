"""The incidents of the weekly report: those of the week, as they stood at its end."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from sqlalchemy import Engine

from service.domain.incidents import AlertSignal
from service.domain.weekly_report import AppReport, ReportedIncident
from service.flows.build_report import build_report
from service.flows.open_incident import clear_alert, raise_alert
from service.store.apps import App
from tests.declared import NOW
from tests.watched import REGISTRY, watch_app

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)  # of 2026-W47
WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def app(engine: Engine) -> App:
    return watch_app(engine)


def fire(
    engine: Engine,
    app: App,
    at: datetime,
    *,
    slo: str = "correct",
    task: str = "answer",
    severity: Literal["page", "ticket"] = "page",
) -> None:
    signal = AlertSignal(
        source=f"slo/{app.name}/{slo}",
        kind="slo",
        app_id=app.id,
        app=app.name,
        environment="production",
        task=task,
        severity=severity,
        title=f"{task} burns",
        sentence="it burns",
        evidence={},
    )
    with engine.begin() as connection:
        raise_alert(connection, signal, now=at)


def heal(engine: Engine, at: datetime, *, slo: str = "correct") -> None:
    with engine.begin() as connection:
        clear_alert(connection, f"slo/support/{slo}", now=at, reason="healthy")


def reported(engine: Engine, week: str = "2026-W47", *, now: datetime = NOW) -> AppReport:
    (found,) = build_report(engine, REGISTRY, team="care", week=week, now=now).apps
    return found


def by_slo(found: AppReport) -> dict[str, tuple[ReportedIncident, ...]]:
    return {slo.name: slo.incidents for slo in found.slos}


def test_incidents_of_the_week_stand_by_the_slos_that_fed_them(engine: Engine, app: App) -> None:
    fire(engine, app, MONDAY + HOUR)
    heal(engine, MONDAY + 3 * HOUR)
    fire(engine, app, MONDAY + WEEK - HOUR, slo="elsewhere", task="summarise")
    fire(engine, app, MONDAY + WEEK)
    found = reported(engine)
    assert [incident.title for incident in found.incidents] == ["answer burns", "summarise burns"]
    (own,) = by_slo(found)["correct"]
    assert (own.duration, own.is_over, own.remark) == (2 * HOUR, True, "")
    assert by_slo(found)["available"] == ()


def test_an_incident_that_lasts_into_the_week_is_of_that_week_too(engine: Engine, app: App) -> None:
    fire(engine, app, MONDAY - DAY)
    heal(engine, MONDAY + 2 * HOUR)
    (incident,) = reported(engine).incidents
    assert (incident.opened_before, incident.is_over) == (True, True)
    assert incident.remark == "opened before this week"
    assert (incident.opened_at, incident.duration) == (MONDAY - DAY, 2 * HOUR)
    (before,) = reported(engine, "2026-W46").incidents
    assert (before.duration, before.remark) == (DAY, "still open at the end of the week")
    assert reported(engine, "2026-W45").incidents == ()
    assert reported(engine, "2026-W48").incidents == ()


def test_a_page_that_has_been_open_for_weeks_is_in_the_current_one(
    engine: Engine, app: App
) -> None:
    fire(engine, app, MONDAY - WEEK)
    whole, current = reported(engine), reported(engine, "2026-W48")
    assert whole.incidents[0].duration == WEEK
    assert whole.incidents[0].remark == "opened before this week, still open at the end of the week"
    assert current.incidents[0].remark == "opened before this week, still open"
    assert current.incidents[0].duration == NOW - (MONDAY + WEEK)
    assert by_slo(current)["correct"] == current.incidents


def test_the_report_of_a_past_week_does_not_change_with_time(engine: Engine, app: App) -> None:
    fire(engine, app, MONDAY + DAY, severity="ticket")
    fire(engine, app, MONDAY + 2 * DAY, slo="elsewhere", severity="ticket")
    then = reported(engine, now=MONDAY + WEEK)
    fire(engine, app, MONDAY + WEEK + HOUR, severity="page")
    fire(engine, app, MONDAY + WEEK + HOUR, slo="available", severity="page")
    assert reported(engine) == then
    heal(engine, MONDAY + WEEK + 2 * HOUR)
    heal(engine, MONDAY + WEEK + 2 * HOUR, slo="elsewhere")
    heal(engine, MONDAY + WEEK + 2 * HOUR, slo="available")
    assert reported(engine, now=NOW + 4 * WEEK) == then
    assert then.incidents[0].severity == "ticket"
    assert reported(engine, "2026-W48").incidents[0].severity == "page"


def test_an_slo_owns_an_older_incident_only_while_its_alert_feeds_it(
    engine: Engine, app: App
) -> None:
    fire(engine, app, MONDAY - 2 * DAY, slo="available")
    fire(engine, app, MONDAY - DAY)
    heal(engine, MONDAY - HOUR, slo="available")
    found = reported(engine)
    assert len(found.incidents) == len(by_slo(found)["correct"]) == 1
    assert by_slo(found)["available"] == ()
    assert len(by_slo(reported(engine, "2026-W46"))["available"]) == 1
