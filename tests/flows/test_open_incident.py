"""Alerts in and out through the one door, on a real PostgreSQL."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from service.domain.incidents import AlertSignal, Incident
from service.domain.notifications import Channel
from service.domain.recurrence import REOPENED_WITHIN
from service.flows.acknowledge_incident import acknowledge_incident
from service.flows.open_incident import clear_alert, raise_alert
from service.flows.resolve_incident import resolve_incident
from service.store.incidents import list_incidents, read_incident
from tests.flows.incident_fixtures import NOON, add_app, rows, ticket_of

OPS = Channel("ops", "webhook", "http://127.0.0.1:9/ops")
TEAM = Channel("team", "webhook", "http://127.0.0.1:9/team")
LATER = NOON + timedelta(minutes=5)
SOON = LATER + timedelta(minutes=10)
NEXT_DAY = LATER + timedelta(days=1)


@pytest.fixture
def page(engine: Engine) -> AlertSignal:
    return add_app(engine, OPS, TEAM)


def _raise(engine: Engine, signal: AlertSignal, now: datetime = NOON) -> Incident:
    with engine.begin() as connection:
        return raise_alert(connection, signal, now=now)


def _clear(engine: Engine, source: str) -> Incident | None:
    with engine.begin() as connection:
        return clear_alert(connection, source, now=LATER, reason=f"{source} is healthy again")


def _kinds(engine: Engine, incident_id: int) -> list[str]:
    with engine.connect() as connection:
        return [event.kind for event in read_incident(connection, incident_id).timeline]


def _messages(engine: Engine) -> list[str]:
    return [key for (key,) in rows(engine, "SELECT DISTINCT dedup_key FROM notifications")]


def test_the_first_alert_opens_an_incident_and_queues_a_message_per_channel(
    engine: Engine, page: AlertSignal
) -> None:
    incident = _raise(engine, page)
    with engine.connect() as connection:
        record = read_incident(connection, incident.id)
    assert record.incident == incident
    assert (incident.status, incident.severity, incident.problem) == (
        "open",
        "page",
        "support/production/answer",
    )
    assert [(alert.source, alert.evidence) for alert in record.alerts] == [
        (page.source, {"burn_rate": 9.1})
    ]
    assert [event.kind for event in record.timeline] == ["opened"]
    queued = rows(
        engine, "SELECT dedup_key, payload->'data'->'alerts'->0->>'source' FROM notifications"
    )
    assert queued == [(f"incident-{incident.id}-opened", page.source)] * 2


def test_a_source_that_goes_on_firing_refreshes_its_alert_and_tells_nobody(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    for burn_rate in range(5):
        again = replace(page, sentence=f"x{burn_rate}", evidence={"burn_rate": burn_rate})
        assert _raise(engine, again).id == first.id
    assert rows(engine, "SELECT sentence, evidence FROM alerts") == [("x4", {"burn_rate": 4})]
    assert _kinds(engine, first.id) == ["opened"]
    assert _messages(engine) == [f"incident-{first.id}-opened"]


def test_evaluations_use_up_no_incident_numbers(engine: Engine, page: AlertSignal) -> None:
    first = _raise(engine, page)
    for _ in range(3):
        _raise(engine, page)
    other = _raise(engine, replace(page, source="slo/support/other", task="summarise"))
    assert other.id == first.id + 1


def test_a_second_source_joins_the_incident_of_its_problem(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    joined = _raise(engine, replace(page, source="drift/length", kind="drift"))
    assert joined.id == first.id
    assert _kinds(engine, first.id) == ["opened", "alert_joined"]
    assert _messages(engine) == [f"incident-{first.id}-opened"]


def test_another_environment_has_an_incident_of_its_own(engine: Engine, page: AlertSignal) -> None:
    first = _raise(engine, page)
    staging = _raise(engine, replace(page, source="slo/staging", environment="staging"))
    assert staging.id != first.id


def test_a_ticket_that_becomes_a_page_escalates_once(engine: Engine, page: AlertSignal) -> None:
    first = _raise(engine, ticket_of(page))
    risen = _raise(engine, page)
    _raise(engine, ticket_of(page))
    _raise(engine, page)
    assert (risen.id, risen.severity) == (first.id, "page")
    assert _kinds(engine, first.id) == ["opened", "escalated"]
    key = f"incident-{first.id}"
    assert sorted(_messages(engine)) == [f"{key}-escalated", f"{key}-opened"]


def test_the_incident_resolves_itself_with_its_last_alert(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    _raise(engine, replace(page, source="drift/length", kind="drift"))
    half = _clear(engine, page.source)
    assert half is not None
    assert half.status == "open"
    over = _clear(engine, "drift/length")
    assert over is not None
    assert (over.status, over.resolved_by, over.resolved_at) == ("resolved", "watchkeeper", LATER)
    assert _kinds(engine, first.id) == [
        "opened",
        "alert_joined",
        "alert_cleared",
        "alert_cleared",
        "resolved",
    ]
    assert f"incident-{first.id}-resolved" in _messages(engine)


def test_clearing_what_does_not_fire_changes_nothing(engine: Engine, page: AlertSignal) -> None:
    _raise(engine, page)
    assert _clear(engine, "slo/support/never-fired") is None
    assert _clear(engine, page.source) is not None
    assert _clear(engine, page.source) is None


def test_the_message_of_the_end_says_why_it_is_over(engine: Engine, page: AlertSignal) -> None:
    _raise(engine, page)
    _clear(engine, page.source)
    assert (
        rows(
            engine,
            "SELECT payload->'data'->>'reason' FROM notifications WHERE dedup_key LIKE '%resolved'",
        )
        == [
            (
                "Resolved by watchkeeper: no alert fires any more, the last one because "
                f"{page.source} is healthy again",
            )
        ]
        * 2
    )


def test_the_note_of_a_person_is_told(engine: Engine, page: AlertSignal) -> None:
    first = _raise(engine, page)
    resolve_incident(engine, first.id, by="Ann", note="rolled back", now=LATER)
    assert (
        rows(
            engine,
            "SELECT payload->'data'->>'reason' FROM notifications WHERE dedup_key LIKE '%resolved'",
        )
        == [("Resolved by Ann: rolled back",)] * 2
    )


def test_messages_about_a_simulated_app_say_so(engine: Engine, page: AlertSignal) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE apps SET simulated = true"))
    _raise(engine, page)
    assert rows(engine, "SELECT payload->'data'->'simulated' FROM notifications") == [(True,)] * 2


# --- what is resolved and comes back -------------------------------------------------------------


def test_a_fault_that_is_back_soon_reopens_its_incident_and_tells_once(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    acknowledge_incident(engine, first.id, by="Ann", now=NOON)
    _clear(engine, page.source)
    back = _raise(engine, replace(page, sentence="It burns again"), SOON)
    _raise(engine, page, SOON)
    assert (back.id, back.status, back.reopenings) == (first.id, "open", 1)
    assert (back.resolved_by, back.acknowledged_by) == (None, None)
    assert (back.opened_at, back.summary) == (NOON, "It burns again")
    with engine.connect() as connection:
        record = read_incident(connection, first.id)
    assert record.incident.status == "open"
    assert [alert.is_firing for alert in record.alerts] == [False, True]
    assert [event.kind for event in record.timeline][-2:] == ["resolved", "reopened"]
    key = f"incident-{first.id}"
    told = ["acknowledged", "opened", "reopened-2", "resolved"]
    assert sorted(_messages(engine)) == [f"{key}-{kind}" for kind in told]


def test_every_turn_of_an_incident_has_messages_of_its_own(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    _clear(engine, page.source)
    for _ in range(2):
        _raise(engine, page, SOON)
        _clear(engine, page.source)
    key = f"incident-{first.id}"
    told = ["opened", "reopened-2", "reopened-3", "resolved", "resolved-2", "resolved-3"]
    assert sorted(_messages(engine)) == [f"{key}-{kind}" for kind in told]


def test_a_ticket_brings_no_page_back(engine: Engine, page: AlertSignal) -> None:
    first = _raise(engine, page)
    _clear(engine, page.source)
    other = _raise(engine, ticket_of(page), SOON)
    assert (other.id == first.id, other.severity) == (False, "ticket")


def test_a_page_brings_its_ticket_back_as_a_page(engine: Engine, page: AlertSignal) -> None:
    first = _raise(engine, ticket_of(page))
    _clear(engine, page.source)
    back = _raise(engine, page, SOON)
    assert (back.id, back.severity) == (first.id, "page")


def test_another_source_does_not_reopen_what_it_never_fed(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    _clear(engine, page.source)
    assert _raise(engine, replace(page, source="b"), SOON).id != first.id


def _firing_tier(page: AlertSignal, *, long: timedelta, short: timedelta) -> AlertSignal:
    tier = {
        "status": "firing",
        "severity": "page",
        "long_s": long.total_seconds(),
        "short_s": short.total_seconds(),
    }
    return replace(page, evidence={"tiers": [tier]})


def test_a_tier_that_looks_further_back_reopens_later(engine: Engine, page: AlertSignal) -> None:
    slow = _firing_tier(page, long=timedelta(hours=6), short=timedelta(minutes=30))
    first = _raise(engine, slow)
    _clear(engine, page.source)
    assert _raise(engine, slow, LATER + timedelta(hours=6)).id == first.id
    _clear(engine, page.source)
    assert _raise(engine, slow, NEXT_DAY).id != first.id


def test_what_a_person_resolved_rests_until_the_short_window_lies_after_it(
    engine: Engine, page: AlertSignal
) -> None:
    fast = _firing_tier(page, long=timedelta(hours=1), short=timedelta(minutes=5))
    first = _raise(engine, fast)
    resolve_incident(engine, first.id, by="Ann", now=LATER)
    resting = _raise(engine, fast, LATER + timedelta(minutes=5))
    assert (resting.id, resting.status) == (first.id, "resolved")
    assert _messages(engine).count(f"incident-{first.id}-opened") == 1
    assert _raise(engine, fast, LATER + timedelta(minutes=6)).id != first.id


def test_a_severity_that_rises_after_a_person_resolved_does_not_rest(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, ticket_of(page))
    resolve_incident(engine, first.id, by="Ann", now=LATER)
    fast = _firing_tier(page, long=timedelta(hours=1), short=timedelta(minutes=5))
    worse = _raise(engine, fast, LATER + timedelta(minutes=1))
    assert (worse.id == first.id, worse.status) == (False, "open")


def test_a_problem_that_returns_later_opens_a_new_incident(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    _clear(engine, page.source)
    second = _raise(engine, page, LATER + REOPENED_WITHIN + timedelta(seconds=1))
    assert second.id != first.id
    with engine.connect() as connection:
        assert [i.id for i in list_incidents(connection)] == [second.id, first.id]
        assert [i.id for i in list_incidents(connection, statuses=["resolved"])] == [first.id]
        assert [i.id for i in list_incidents(connection, before=second.id)] == [first.id]


def test_resolving_by_hand_clears_the_alerts_and_a_firing_source_opens_anew(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    over = resolve_incident(engine, first.id, by="Ann", note="known", now=LATER)
    assert over.resolved_by == "Ann"
    with engine.connect() as connection:
        record = read_incident(connection, first.id)
    assert not any(alert.is_firing for alert in record.alerts)
    assert record.timeline[-1].evidence == {"still_firing": [page.source]}
    assert _raise(engine, page, LATER).id != first.id


def test_an_acknowledgement_is_told_to_every_channel(engine: Engine, page: AlertSignal) -> None:
    first = _raise(engine, page)
    taken = acknowledge_incident(engine, first.id, by="Ann", now=LATER)
    assert (taken.status, taken.acknowledged_by) == ("acknowledged", "Ann")
    assert (
        rows(
            engine,
            "SELECT payload->>'type', payload->'data'->>'acknowledged_by' FROM notifications"
            " WHERE dedup_key LIKE '%acknowledged'",
        )
        == [("incident.acknowledged", "Ann")] * 2
    )


def test_an_app_without_channels_leaves_a_word_in_the_timeline(engine: Engine) -> None:
    incident = _raise(engine, add_app(engine))
    assert _kinds(engine, incident.id) == ["opened", "nobody_told"]


def test_a_source_that_now_watches_another_task_leaves_its_old_incident(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    moved = _raise(engine, replace(page, task="summarise"))
    assert moved.id != first.id
    with engine.connect() as connection:
        assert read_incident(connection, first.id).incident.status == "resolved"
        assert [a.source for a in read_incident(connection, moved.id).alerts] == [page.source]


def test_nothing_is_left_of_an_alert_whose_transaction_fails(
    engine: Engine, page: AlertSignal
) -> None:
    with engine.connect() as connection:
        raise_alert(connection, page, now=NOON)
        connection.rollback()
    for table in ("incidents", "alerts", "incident_events", "notifications"):
        assert rows(engine, f"SELECT count(*) FROM {table}") == [(0,)]


def test_postgres_itself_refuses_a_second_unresolved_incident_of_a_problem(
    engine: Engine, page: AlertSignal
) -> None:
    _raise(engine, page)
    columns = "problem, app_id, environment, task, severity, title, summary, opened_at"
    with pytest.raises(IntegrityError, match="one_unresolved_incident_per_problem"):
        rows(engine, f"INSERT INTO incidents ({columns}) SELECT {columns} FROM incidents")


# --- two workers at once -------------------------------------------------------------------------


def _at_once(engine: Engine, *acts: Callable[[Connection], object]) -> list[object]:
    """Each act in a transaction and a thread of its own, begun at the same moment."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[Connection], object]) -> object:
        with engine.begin() as connection:
            barrier.wait(10)
            return act(connection)

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("sources", [("a", "a"), ("a", "b")], ids=["same source", "two sources"])
def test_two_workers_that_see_a_fault_at_once_open_one_incident(
    engine: Engine, page: AlertSignal, sources: tuple[str, str], turn: int
) -> None:
    signals = [replace(page, source=source) for source in sources]
    opened = _at_once(
        engine, *(lambda c, s=signal: raise_alert(c, s, now=NOON) for signal in signals)
    )
    assert len({incident.id for incident in opened if isinstance(incident, Incident)}) == 1
    assert rows(engine, "SELECT count(*) FROM incidents") == [(1,)]
    assert rows(engine, "SELECT count(*) FROM alerts") == [(len(set(sources)),)]
    assert rows(engine, "SELECT count(*) FROM notifications") == [(2,)]
    assert rows(engine, "SELECT count(*) FROM incident_events") == [(len(set(sources)),)]


@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("other", ["a", "b"], ids=["same source", "one that never fed it"])
def test_two_workers_that_see_a_fault_come_back_at_once_have_one_incident(
    engine: Engine, page: AlertSignal, other: str, turn: int
) -> None:
    _raise(engine, replace(page, source="a"))
    _clear(engine, "a")
    _at_once(
        engine,
        lambda c: raise_alert(c, replace(page, source="a"), now=SOON),
        lambda c: raise_alert(c, replace(page, source=other), now=SOON),
    )
    with engine.connect() as connection:
        (current,) = list_incidents(connection, statuses=["open"])
        firing = [a for a in read_incident(connection, current.id).alerts if a.is_firing]
    assert {alert.source for alert in firing} == {"a", other}
    assert len([key for key in _messages(engine) if not key.endswith("resolved")]) == 2


@pytest.mark.parametrize("turn", range(5))
def test_two_workers_that_clear_the_last_two_alerts_at_once_resolve_once(
    engine: Engine, page: AlertSignal, turn: int
) -> None:
    for source in ("a", "b"):
        incident = _raise(engine, replace(page, source=source))
    _at_once(
        engine,
        lambda c: clear_alert(c, "a", now=LATER, reason="healthy"),
        lambda c: clear_alert(c, "b", now=LATER, reason="healthy"),
    )
    assert _kinds(engine, incident.id).count("resolved") == 1


def _wait_until_someone_waits_for_a_lock(engine: Engine) -> None:
    waiting = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 10
    while not rows(engine, waiting):
        assert time.monotonic() < deadline, "nobody waits"


def test_an_alert_that_comes_while_the_last_one_clears_opens_a_new_incident(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    with ThreadPoolExecutor(1) as thread, engine.connect() as connection:
        clear_alert(connection, page.source, now=LATER, reason="healthy")
        coming = thread.submit(_raise, engine, replace(page, source="b"))
        _wait_until_someone_waits_for_a_lock(engine)
        connection.commit()
        second = coming.result(10)
    assert second.id != first.id
    with engine.connect() as connection:
        assert read_incident(connection, first.id).incident.status == "resolved"
        assert [a.is_firing for a in read_incident(connection, second.id).alerts] == [True]


def test_a_last_alert_that_clears_while_another_one_comes_resolves_nothing(
    engine: Engine, page: AlertSignal
) -> None:
    first = _raise(engine, page)
    with ThreadPoolExecutor(1) as thread, engine.connect() as connection:
        raise_alert(connection, replace(page, source="b"), now=LATER)
        clearing = thread.submit(_clear, engine, page.source)
        _wait_until_someone_waits_for_a_lock(engine)
        connection.commit()
        clearing.result(10)
    with engine.connect() as connection:
        record = read_incident(connection, first.id)
    assert record.incident.status == "open"
    assert [alert.source for alert in record.alerts if alert.is_firing] == ["b"]


def test_of_two_people_who_acknowledge_at_once_one_is_told_who_did(
    engine: Engine, page: AlertSignal
) -> None:
    incident = _raise(engine, page)
    barrier = threading.Barrier(2)

    def take(name: str) -> str:
        barrier.wait(10)
        try:
            acknowledge_incident(engine, incident.id, by=name, now=LATER)
        except Exception as error:
            return str(error)
        return "won"

    with ThreadPoolExecutor(2) as threads:
        answers = sorted(threads.map(take, ("Ann", "Bob")))
    assert answers[1] == "won"
    assert f"Incident {incident.id} was acknowledged by" in answers[0]
    assert _kinds(engine, incident.id).count("acknowledged") == 1
