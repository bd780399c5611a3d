from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.domain.notifications import Channel, Message
from service.domain.slos import Consequence, Slo
from service.flows.deliver_notifications import deliver_notifications
from service.flows.watch_budgets import watch_budgets
from service.store import notifications
from service.store.apps import App, find_app
from tests.declared import NOW, declare_app
from tests.flows.incident_fixtures import add_app, rows
from tests.standing import a_tier, a_verdict, declare_policy, put

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
QUARTER, FREEZE = Consequence(0.25, "notify"), Consequence(0.1, "freeze")


class Receiver:
    """A kind of channel that takes everything."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, _: Channel, message: Message, **_when: object) -> None:
        self.messages.append(message)


@pytest.fixture
def app(engine: Engine) -> App:
    add_app(engine, Channel("chat", "webhook", "https://chat.example.org"))
    with engine.connect() as connection:
        found = find_app(connection, "support")
    assert found is not None
    return found


@pytest.fixture
def slo(engine: Engine, app: App) -> Slo:
    return declare_policy(engine, app, QUARTER, FREEZE)


def in_force(engine: Engine) -> list[str]:
    query = "SELECT action FROM budget_crossings WHERE until IS NULL ORDER BY action"
    return [action for (action,) in rows(engine, query)]


def deliver(engine: Engine) -> list[Message]:
    receiver = Receiver()
    deliver_notifications(
        engine, {"webhook": receiver}, clock=lambda: NOW, public_url="https://watch.example.org"
    )
    return receiver.messages


def test_a_low_budget_is_told_once_and_recorded(engine: Engine, slo: Slo) -> None:
    for minute in range(3):
        put(engine, slo, verdict=a_verdict(0.2), at=NOW + minute * MINUTE)
        watch_budgets(engine, now=NOW + minute * MINUTE)
    assert in_force(engine) == ["notify"]
    (message,) = deliver(engine)
    assert message.payload["type"] == "budget.crossed"
    assert message.payload["data"]["url"].endswith("/slos/support/answers-correct")
    assert rows(engine, "SELECT count(*), count(delivered_at) FROM notifications") == [(1, 1)]


def test_state_and_message_come_together_or_not_at_all(
    engine: Engine, slo: Slo, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, slo, verdict=a_verdict(0.2))

    def fail(*_: object, **__: object) -> int:
        raise RuntimeError("no")

    with monkeypatch.context() as broken:
        broken.setattr("service.flows.watch_budgets.enqueue_notice", fail)
        assert watch_budgets(engine, now=NOW) == {}
    assert in_force(engine) == []
    watch_budgets(engine, now=NOW)
    assert in_force(engine) == ["notify"]
    assert len(deliver(engine)) == 1


def test_a_spent_budget_freezes_and_a_full_one_thaws(engine: Engine, slo: Slo) -> None:
    put(engine, slo, verdict=a_verdict(0.05))
    watch_budgets(engine, now=NOW)
    assert in_force(engine) == ["freeze", "notify"]
    put(engine, slo, verdict=a_verdict(0.5), at=NOW + DAY)
    watch_budgets(engine, now=NOW + DAY)
    assert in_force(engine) == []
    (until,) = rows(engine, "SELECT DISTINCT until FROM budget_crossings")
    assert until == (NOW + DAY,)


def test_blindness_changes_nothing(engine: Engine, slo: Slo) -> None:
    blind = a_verdict(0.05, tiers=[a_tier("silence")])
    put(engine, slo, "unknown", blind)
    assert watch_budgets(engine, now=NOW) == {}
    put(engine, slo, verdict=a_verdict(0.05))
    assert watch_budgets(engine, now=NOW + 3 * MINUTE) == {}, "an hour-old state says nothing now"


def test_an_slo_that_is_gone_freezes_nothing(engine: Engine, slo: Slo) -> None:
    put(engine, slo, verdict=a_verdict(0.05))
    watch_budgets(engine, now=NOW)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE slos SET archived_at = now()")
    watch_budgets(engine, now=NOW)
    assert in_force(engine) == []


def test_without_channels_the_crossing_is_recorded_all_the_same(engine: Engine) -> None:
    quiet = declare_policy(engine, declare_app(engine, "quiet"), QUARTER)
    put(engine, quiet, verdict=a_verdict(0.2))
    watch_budgets(engine, now=NOW)
    assert in_force(engine) == ["notify"]


def test_a_message_about_a_budget_that_is_given_up_has_no_timeline(
    engine: Engine, slo: Slo
) -> None:
    put(engine, slo, verdict=a_verdict(0.2))
    watch_budgets(engine, now=NOW)
    outcomes = deliver_notifications(engine, {}, clock=lambda: NOW, public_url="https://x")
    assert outcomes == {"given_up": 1}
    with engine.begin() as connection:
        assert notifications.claim(connection, now=NOW, lease=MINUTE) is None
