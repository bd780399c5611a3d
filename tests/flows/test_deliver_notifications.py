"""The outbox, from the commit to the receiver, on a real PostgreSQL and real HTTP."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from service.domain.incidents import AlertSignal
from service.domain.notifications import Channel, Message
from service.flows.acknowledge_incident import acknowledge_incident
from service.flows.deliver_notifications import LEASE, Outcome, deliver_notifications
from service.flows.open_incident import clear_alert, raise_alert
from service.notify.contract import DeliveryError, Sender
from service.notify.webhook import WebhookSender
from service.store.incidents import read_incident
from service.store.notifications import claim
from tests.flows.incident_fixtures import NOON, add_app, rows
from tests.notify.receiver import Receiver, listen

PUBLIC_URL = "https://watch.example.org"


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listen() as receiver:
        yield receiver


@pytest.fixture
def senders() -> Iterator[Mapping[str, Sender]]:
    with closing(WebhookSender()) as sender:
        yield {"webhook": sender}


@pytest.fixture
def signal(engine: Engine, receiver: Receiver) -> AlertSignal:
    return add_app(engine, Channel("ops", "webhook", receiver.url, "s3cret-key"))


def _raise(engine: Engine, signal: AlertSignal) -> int:
    with engine.begin() as connection:
        return raise_alert(connection, signal, now=NOON).id


def _deliver(engine: Engine, senders: Mapping[str, Sender], clock: Clock) -> Mapping[Outcome, int]:
    return deliver_notifications(
        engine, senders, clock=clock, public_url=PUBLIC_URL, chance=lambda: 0.5
    )


def test_a_page_arrives_once_with_all_that_on_call_needs(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    incident_id = _raise(engine, signal)
    assert _deliver(engine, senders, clock) == {"delivered": 1}
    assert _deliver(engine, senders, clock) == {}
    (post,) = receiver.posts
    assert post.headers["webhook-id"] == f"incident-{incident_id}-opened"
    assert post.headers["webhook-signature"].startswith("v1,")
    assert post.body == {
        "type": "incident.opened",
        "timestamp": NOON.isoformat(),
        "dedup_key": f"incident-{incident_id}",
        "data": {
            "incident": incident_id,
            "title": signal.title,
            "severity": "page",
            "status": "open",
            "app": "support",
            "environment": "production",
            "task": "answer",
            "simulated": False,
            "summary": signal.sentence,
            "reason": signal.sentence,
            "alerts": [{"source": signal.source, "severity": "page", "sentence": signal.sentence}],
            "opened_at": NOON.isoformat(),
            "acknowledged_at": None,
            "acknowledged_by": None,
            "resolved_at": None,
            "resolved_by": None,
            "url": f"{PUBLIC_URL}/incidents/{incident_id}",
        },
    }


def test_messages_of_one_incident_keep_their_order_while_the_receiver_is_away(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    incident_id = _raise(engine, signal)
    receiver.answers = [(503, {})]
    assert _deliver(engine, senders, clock) == {"postponed": 1}
    acknowledge_incident(engine, incident_id, by="Ann", now=NOON)
    with engine.begin() as connection:
        clear_alert(connection, signal.source, now=NOON, reason="healthy")
    assert _deliver(engine, senders, clock) == {}
    clock.forward(timedelta(seconds=10))
    assert _deliver(engine, senders, clock) == {"delivered": 3}
    assert receiver.types == [
        "incident.opened",
        "incident.opened",
        "incident.acknowledged",
        "incident.resolved",
    ]
    assert {post.body["dedup_key"] for post in receiver.posts} == {f"incident-{incident_id}"}


def test_a_retry_waits_as_long_as_the_receiver_asks(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    _raise(engine, signal)
    receiver.answers = [(429, {"retry-after": "300"})]
    _deliver(engine, senders, clock)
    clock.forward(timedelta(seconds=299))
    assert _deliver(engine, senders, clock) == {}
    clock.forward(timedelta(seconds=1))
    assert _deliver(engine, senders, clock) == {"delivered": 1}


def test_a_permanent_refusal_is_told_in_the_timeline_and_not_tried_again(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    incident_id = _raise(engine, signal)
    receiver.answers = [(404, {})]
    assert _deliver(engine, senders, clock) == {"given_up": 1}
    clock.forward(timedelta(hours=2))
    assert _deliver(engine, senders, clock) == {}
    with engine.connect() as connection:
        event = read_incident(connection, incident_id).timeline[-1]
    assert event.kind == "delivery_failed"
    assert event.text == "incident.opened did not reach the channel 'ops': HTTP 404"


def test_after_a_day_of_failures_the_message_is_given_up(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    incident_id = _raise(engine, signal)
    receiver.answers = [(500, {})] * 100
    outcomes: list[str] = []
    while "given_up" not in outcomes:
        outcomes += _deliver(engine, senders, clock)
        clock.forward(timedelta(minutes=30))
    assert timedelta(hours=24) <= clock.now - NOON <= timedelta(hours=25)
    with engine.connect() as connection:
        assert read_incident(connection, incident_id).timeline[-1].kind == "delivery_failed"
    assert rows(engine, "SELECT last_error, failed_at IS NOT NULL FROM notifications") == [
        ("HTTP 500", True)
    ]


class _Dies(BaseException):
    """What a killed process does: nothing after it runs."""


@dataclass
class DyingSender:
    """Sends, and dies before anything can be recorded."""

    sender: Sender

    def send(self, channel: Channel, message: Message, *, now: datetime) -> None:
        self.sender.send(channel, message, now=now)
        raise _Dies


def test_a_message_whose_process_died_is_sent_again_after_its_lease_with_the_same_id(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    _raise(engine, signal)
    with pytest.raises(_Dies):
        _deliver(engine, {"webhook": DyingSender(senders["webhook"])}, clock)
    assert _deliver(engine, senders, clock) == {}
    clock.forward(LEASE)
    assert _deliver(engine, senders, clock) == {"delivered": 1}
    first, second = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@dataclass
class SlowSender:
    """Another process takes the message over and delivers it before this one fails."""

    engine: Engine
    senders: Mapping[str, Sender]
    clock: Clock

    def send(self, *_: object, **__: object) -> None:
        self.clock.forward(LEASE)
        _deliver(self.engine, self.senders, self.clock)
        raise ConnectionResetError


def test_who_has_lost_the_lease_cannot_undo_a_delivery(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    _raise(engine, signal)
    _deliver(engine, {"webhook": SlowSender(engine, senders, clock)}, clock)
    assert len(receiver.posts) == 1
    assert rows(
        engine, "SELECT delivered_at IS NOT NULL, failed_at, last_error FROM notifications"
    ) == [(True, None, None)]


class BrokenSender:
    def send(self, channel: Channel, *_: object, **__: object) -> None:
        raise ZeroDivisionError(channel.url)


def test_a_fault_of_one_sender_holds_up_nobody_and_shows_no_url(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    _raise(engine, signal)
    _raise(engine, add_app(engine, Channel("team", "webhook", receiver.url), name="search"))
    assert _deliver(engine, {"webhook": BrokenSender()}, clock) == {"postponed": 2}
    assert rows(engine, "SELECT DISTINCT last_error FROM notifications") == [
        ("unexpected ZeroDivisionError while sending",)
    ]


def test_a_delivery_is_told_in_the_timeline(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    incident_id = _raise(engine, signal)
    receiver.answers = [(503, {})]
    _deliver(engine, senders, clock)
    clock.forward(timedelta(seconds=10))
    _deliver(engine, senders, clock)
    with engine.connect() as connection:
        opened, told = read_incident(connection, incident_id).timeline
    assert (opened.kind, told.kind, told.at) == ("opened", "delivered", clock.now)
    assert told.text == "incident.opened reached the channel 'ops'"
    assert told.evidence == {"channel": "ops", "message": f"incident-{incident_id}-opened"}


@dataclass
class HangingSender:
    """Hangs on the channel `dead` until another channel has got `awaited`'s incident."""

    sender: Sender
    raise_another: Callable[[], int]
    arrived: dict[int, threading.Event]

    def send(self, channel: Channel, message: Message, *, now: datetime) -> None:
        if channel.name == "dead":
            awaited = self.arrived.setdefault(self.raise_another(), threading.Event())
            if awaited.wait(20):
                return
            raise DeliveryError("the other channel's page has waited for this one")
        self.sender.send(channel, message, now=now)
        self.arrived.setdefault(message.payload["data"]["incident"], threading.Event()).set()


def test_a_channel_that_hangs_holds_up_no_page_to_another_one_not_even_a_later_page(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    dead = Channel("dead", "webhook", "http://127.0.0.1:9/")
    _raise(engine, add_app(engine, dead, name="search"))
    hanging = HangingSender(senders["webhook"], lambda: _raise(engine, signal), {})
    assert _deliver(engine, {"webhook": hanging}, clock) == {"delivered": 2}
    assert len(receiver.posts) == 1


def test_a_channel_that_hangs_gets_one_message_at_a_time(
    engine: Engine, signal: AlertSignal
) -> None:
    _raise(engine, signal)
    _raise(engine, replace(signal, source="slo/other", task="summarise"))
    with engine.begin() as connection:
        first = claim(connection, now=NOON, lease=LEASE)
        assert first is not None
        busy = [first.channel_id]
        assert claim(connection, now=NOON, lease=LEASE, busy_channels=busy) is None
        assert claim(connection, now=NOON, lease=LEASE) is not None


def test_a_kind_that_nothing_sends_to_is_told_in_the_timeline(
    engine: Engine, signal: AlertSignal, clock: Clock
) -> None:
    incident_id = _raise(engine, signal)
    assert _deliver(engine, {}, clock) == {"given_up": 1}
    with engine.connect() as connection:
        text = read_incident(connection, incident_id).timeline[-1].text
    assert "nothing sends to channels of kind 'webhook'" in text


def test_a_fresh_page_goes_before_repeated_messages(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    first = _raise(engine, signal)
    receiver.answers = [(503, {})]
    _deliver(engine, senders, clock)
    clock.forward(timedelta(minutes=5))
    second = _raise(engine, add_app(engine, Channel("ops", "webhook", receiver.url), name="search"))
    _deliver(engine, senders, clock)
    assert [post.body["data"]["incident"] for post in receiver.posts] == [first, second, first]


def test_a_worker_that_stops_leaves_the_rest_to_the_next_one(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    _raise(engine, signal)
    _raise(engine, add_app(engine, Channel("ops", "webhook", receiver.url), name="search"))
    sent = deliver_notifications(
        engine,
        senders,
        clock=clock,
        public_url=PUBLIC_URL,
        is_stopping=lambda: bool(receiver.posts),
    )
    assert sent == {"delivered": 1}


def test_two_processes_at_once_send_each_message_once(
    engine: Engine,
    signal: AlertSignal,
    receiver: Receiver,
    senders: Mapping[str, Sender],
    clock: Clock,
) -> None:
    for number in range(8):
        _raise(engine, add_app(engine, Channel("ops", "webhook", receiver.url), name=f"a{number}"))
    barrier = threading.Barrier(3)

    def deliver() -> int:
        barrier.wait(10)
        return sum(_deliver(engine, senders, clock).values())

    with ThreadPoolExecutor(3) as threads:
        sent = [future.result() for future in [threads.submit(deliver) for _ in range(3)]]
    assert sum(sent) == 8
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == len(receiver.posts) == 8


def test_a_claimed_message_is_not_claimed_by_another_process(
    engine: Engine, signal: AlertSignal
) -> None:
    _raise(engine, signal)
    with engine.begin() as one, engine.begin() as other:
        assert claim(one, now=NOON, lease=LEASE) is not None
        assert claim(other, now=NOON, lease=LEASE) is None
