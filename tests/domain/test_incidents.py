"""The life of an incident, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.incidents import (
    WATCHKEEPER,
    AlertSignal,
    AlreadyAcknowledgedError,
    AlreadyResolvedError,
    Incident,
    acknowledge,
    feed,
    problem_of,
    reopen,
    resolve,
    start,
)
from service.domain.notifications import GIVE_UP_AFTER, RETRY_DELAYS, Channel, compose, next_attempt

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TICKET = AlertSignal(
    source="drift/support/production/answer/length",
    kind="drift",
    app_id=1,
    app="support",
    environment="production",
    task="answer",
    severity="ticket",
    title="Answers of support became shorter",
    sentence="The median length fell from 200 to 12 characters",
    evidence={"distance": 0.4},
)
PAGE = replace(
    TICKET, source="slo/support/answers-correct", kind="slo", severity="page", sentence="It burns"
)
INCIDENT = Incident(
    id=42,
    problem=TICKET.problem,
    app_id=1,
    app="support",
    environment="production",
    task="answer",
    severity="ticket",
    title=TICKET.title,
    summary=TICKET.sentence,
    opened_at=NOON,
)


def test_the_first_alert_opens_with_its_sentence_and_its_readings() -> None:
    step = start(INCIDENT, TICKET, at=NOON)
    assert (step.message, step.event.kind, step.event.text) == (
        "opened",
        "opened",
        TICKET.sentence,
    )
    assert step.event.evidence["reading"] == {"distance": 0.4}


def test_a_second_alert_of_the_same_severity_joins_without_a_message() -> None:
    step = feed(INCIDENT, replace(TICKET, source="other"), is_new_alert=True, at=NOON)
    assert step is not None
    assert (step.message, step.event.kind, step.incident) == (None, "alert_joined", INCIDENT)


def test_a_page_raises_a_ticket_and_tells() -> None:
    step = feed(INCIDENT, PAGE, is_new_alert=True, at=NOON)
    assert step is not None
    assert (step.message, step.event.kind) == ("escalated", "escalated")
    assert (step.incident.severity, step.incident.summary) == ("page", "It burns")


def test_severity_never_falls() -> None:
    paged = replace(INCIDENT, severity="page")
    assert feed(paged, TICKET, is_new_alert=False, at=NOON) is None


def test_an_acknowledged_incident_that_escalates_stays_acknowledged_and_tells() -> None:
    taken = acknowledge(INCIDENT, by="Ann", at=NOON).incident
    step = feed(taken, PAGE, is_new_alert=True, at=NOON)
    assert step is not None
    assert (step.message, step.incident.status) == ("escalated", "acknowledged")


def test_a_second_acknowledgement_says_who_was_first_and_when() -> None:
    taken = acknowledge(INCIDENT, by="Ann", at=NOON).incident
    with pytest.raises(AlreadyAcknowledgedError, match=r"by Ann at 2026-11-20 12:00:00 UTC"):
        acknowledge(taken, by="Bob", at=NOON)


def test_what_is_resolved_is_over() -> None:
    over = resolve(INCIDENT, by="Ann", at=NOON, note="rolled back").incident
    assert over.status == "resolved"
    with pytest.raises(AlreadyResolvedError, match=r"resolved by Ann at"):
        acknowledge(over, by="Bob", at=NOON)
    with pytest.raises(AlreadyResolvedError, match=r"resolved by Ann at"):
        resolve(over, by="Bob", at=NOON)


def test_a_resolution_by_hand_keeps_what_still_fired() -> None:
    event = resolve(INCIDENT, by="Ann", at=NOON, note="known", firing=("slo/x",)).event
    assert event.text == "Resolved by Ann: known"
    assert event.evidence == {"still_firing": ("slo/x",)}


def test_a_reopened_incident_is_open_and_numbers_its_messages() -> None:
    taken = acknowledge(INCIDENT, by="Ann", at=NOON).incident
    step = reopen(resolve(taken, by=WATCHKEEPER, at=NOON).incident, PAGE, at=NOON)
    assert (step.incident.status, step.incident.severity) == ("open", "page")
    assert (step.message, step.event.kind, step.event.text) == ("reopened", "reopened", "It burns")
    message = compose(step.incident, [], "reopened", reason="", simulated=False, at=NOON)
    assert (message.id, message.payload["dedup_key"]) == ("incident-42-reopened-2", "incident-42")


def test_slashes_within_names_cannot_make_two_problems_one() -> None:
    assert problem_of("a", "b/c", "d") != problem_of("a", "b", "c/d")
    assert problem_of("a", "b%2Fc", "d") != problem_of("a", "b/c", "d")


def test_a_message_carries_the_key_of_its_incident_and_an_id_of_its_own() -> None:
    message = compose(INCIDENT, [], "opened", reason="It burns", simulated=True, at=NOON).addressed(
        "https://watch.example.org/"
    )
    assert message.id == "incident-42-opened"
    assert message.payload["type"] == "incident.opened"
    assert message.payload["dedup_key"] == "incident-42"
    assert message.payload["data"]["reason"] == "It burns"
    assert message.payload["data"]["simulated"] is True
    assert message.payload["data"]["url"] == "https://watch.example.org/incidents/42"


def test_retries_slow_down_and_end_after_a_day() -> None:
    now, attempts, waits = NOON, 0, []
    while True:
        attempts += 1
        then = next_attempt(attempts=attempts, created_at=NOON, now=now, chance=0.999)
        if then is None:
            break
        waits.append(then - now)
        now = then
    assert waits[0] <= RETRY_DELAYS[0]
    assert waits[: len(RETRY_DELAYS)] == sorted(waits[: len(RETRY_DELAYS)])
    assert max(waits) <= RETRY_DELAYS[-1]
    assert now == NOON + GIVE_UP_AFTER
    assert 24 < attempts < 60


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(minutes=-7), RETRY_DELAYS[0] / 2),
        (timedelta.max, GIVE_UP_AFTER),
    ],
    ids=["later", "in the past", "absurd"],
)
def test_a_receiver_that_asks_for_time_gets_it_within_the_day(
    asked: timedelta, wait: timedelta
) -> None:
    then = next_attempt(attempts=1, created_at=NOON, now=NOON, chance=0, retry_after=asked)
    assert then == NOON + wait


def test_a_channel_shows_neither_its_url_nor_its_secret() -> None:
    shown = repr(Channel("ops", "webhook", "https://example.org/?token=abc", "whsec_s3cret"))
    assert "ops" in shown
    assert "abc" not in shown
    assert "s3cret" not in shown
