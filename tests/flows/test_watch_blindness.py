from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from service.domain.incidents import Incident
from service.domain.slos import Slo
from service.flows import watch_blindness as flow
from service.flows.open_incident import raise_alert
from service.flows.resolve_incident import resolve_incident
from service.flows.watch_blindness import watch_blindness
from service.store.apps import App
from service.store.incidents import list_incidents, read_incident
from tests.declared import (
    NOW,
    PRIME,
    a_count,
    a_sample,
    declare_app,
    declare_slo,
    declare_task,
    post,
)
from tests.flows.incident_fixtures import rows
from tests.standing import a_tier, a_verdict, put

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PATIENCE = 30 * MINUTE


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


@pytest.fixture
def slo(engine: Engine, app: App) -> Slo:
    post(engine, app, (), [a_count(minute=NOW)])
    return declare_slo(engine, app, evaluator=None)


def verdict_of(cause: str | None) -> Mapping[str, Any]:
    return a_verdict(tiers=[a_tier(cause)])


def watch(
    engine: Engine,
    *slos: Slo,
    cause: str | None = "silence",
    start: datetime = NOW,
    end: datetime,
    step: timedelta = MINUTE,
) -> None:
    """Evaluations that find this, and watches over them, from start to end."""
    at = start
    while at <= end:
        for slo in slos:
            put(engine, slo, "unknown" if cause else "healthy", dict(verdict_of(cause)), at=at)
        watch_blindness(engine, patience=PATIENCE, now=at)
        at += step


def incidents(engine: Engine) -> list[Incident]:
    with engine.connect() as connection:
        return list_incidents(connection)


def test_a_long_silence_is_a_ticket_that_says_since_when_and_what_to_look_at(
    engine: Engine, slo: Slo
) -> None:
    watch(engine, slo, end=NOW + 29 * MINUTE)
    assert incidents(engine) == []
    watch(engine, slo, start=NOW + 30 * MINUTE, end=NOW + 40 * MINUTE)
    (incident,) = incidents(engine)
    assert (incident.severity, incident.status) == ("ticket", "open")
    assert incident.title == "support: answers correct cannot be judged"
    for part in ("since 2026-11-25 12:00 UTC", "no call for 45 m", "last call came at", "runbooks"):
        assert part in incident.summary


def test_it_clears_when_calls_are_seen_again(engine: Engine, slo: Slo) -> None:
    watch(engine, slo, end=NOW + 40 * MINUTE)
    watch(engine, slo, cause=None, start=NOW + 41 * MINUTE, end=NOW + 41 * MINUTE)
    (incident,) = incidents(engine)
    assert incident.resolved_by == "watchkeeper"
    assert rows(engine, "SELECT status, blind_since, cause FROM slo_spells") == [
        ("healthy", None, None)
    ]


def test_a_thin_stream_is_unknown_and_no_incident(engine: Engine, slo: Slo) -> None:
    watch(engine, slo, cause="too_few", end=NOW + 3 * HOUR, step=2 * MINUTE)
    assert incidents(engine) == []


def test_short_blindnesses_do_not_add_up(engine: Engine, slo: Slo) -> None:
    for turn in range(4):
        start = NOW + turn * 21 * MINUTE
        watch(engine, slo, start=start, end=start + 19 * MINUTE)
        watch(engine, slo, cause=None, start=start + 20 * MINUTE, end=start + 20 * MINUTE)
    assert incidents(engine) == []


def test_several_slos_of_a_task_are_blind_in_one_incident(
    engine: Engine, app: App, slo: Slo
) -> None:
    other = declare_slo(engine, app, evaluator=None, name="answers-fast")
    watch(engine, slo, other, end=NOW + 31 * MINUTE)
    (incident,) = incidents(engine)
    with engine.connect() as connection:
        record = read_incident(connection, incident.id)
    assert [alert.source for alert in record.alerts] == [
        "blind/support/answers-correct",
        "blind/support/answers-fast",
    ]


def test_an_alert_that_fires_stays_open_beside_it(engine: Engine, app: App, slo: Slo) -> None:
    signal = flow.AlertSignal(
        *(slo.alert_source, "slo", app.id, "support", "production", "answer", "page"),
        *("too many failures", "half of the calls failed", {"tiers": []}),
    )
    with engine.begin() as connection:
        raise_alert(connection, signal, now=NOW)
    watch(engine, slo, end=NOW + 31 * MINUTE)
    watch(engine, slo, cause=None, start=NOW + 32 * MINUTE, end=NOW + 32 * MINUTE)
    (incident,) = incidents(engine)
    assert (incident.severity, incident.status) == ("page", "open")
    assert incident.title == "too many failures"


def test_a_state_that_nobody_renews_is_blindness_as_well(engine: Engine, slo: Slo) -> None:
    put(engine, slo, at=NOW)
    for minute in range(40):
        watch_blindness(engine, patience=PATIENCE, now=NOW + minute * MINUTE)
    (incident,) = incidents(engine)
    assert "not been evaluated since 2026-11-25 12:00 UTC" in incident.summary
    assert "slo_not_evaluated" in incident.summary


def test_a_worker_that_was_down_does_not_blame_the_slos(engine: Engine, slo: Slo) -> None:
    watch(engine, slo, cause=None, end=NOW + MINUTE)
    back = NOW + 5 * HOUR
    watch_blindness(engine, patience=PATIENCE, now=back)
    watch(engine, slo, cause=None, start=back + MINUTE, end=back + 2 * MINUTE)
    assert incidents(engine) == []
    assert rows(engine, "SELECT since FROM slo_spells") == [(NOW,)]


def test_a_backlog_names_what_waits_and_what_was_set_aside(engine: Engine, app: App) -> None:
    declare_task(engine, app, PRIME)
    slo = declare_slo(engine, app)
    post(engine, app, [a_sample(called_at=NOW - HOUR), a_sample()], [a_count()])
    watch(engine, slo, cause="backlog", end=NOW + 30 * MINUTE)
    (incident,) = incidents(engine)
    assert "2 samples wait for a worker, the oldest of 2026-11-25 11:00 UTC; 0 are" in (
        incident.summary
    )


def test_an_app_that_was_never_deployed_has_a_day(engine: Engine, app: App) -> None:
    slo = declare_slo(engine, app, evaluator=None)
    watch(engine, slo, end=NOW + 23 * HOUR, step=4 * MINUTE)
    assert incidents(engine) == []
    watch(engine, slo, start=NOW + DAY, end=NOW + DAY)
    assert "No call has come yet" in incidents(engine)[0].summary


def test_who_resolves_it_by_hand_is_not_asked_again_for_a_day(engine: Engine, slo: Slo) -> None:
    watch(engine, slo, end=NOW + 31 * MINUTE)
    (incident,) = incidents(engine)
    resolve_incident(engine, incident.id, by="Ann", now=NOW + 32 * MINUTE)
    watch(engine, slo, start=NOW + 33 * MINUTE, end=NOW + 23 * HOUR, step=4 * MINUTE)
    assert len(incidents(engine)) == 1
    watch(engine, slo, start=NOW + DAY, end=NOW + DAY + MINUTE)
    assert len(incidents(engine)) == 2


def test_an_slo_that_is_no_longer_declared_is_not_blind(engine: Engine, slo: Slo) -> None:
    watch(engine, slo, end=NOW + 31 * MINUTE)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE slos SET archived_at = now()")
    watch_blindness(engine, patience=PATIENCE, now=NOW + 32 * MINUTE)
    (incident,) = incidents(engine)
    assert incident.status == "resolved"
    assert rows(engine, "SELECT count(*) FROM slo_spells") == [(0,)]
