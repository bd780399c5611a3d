from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY as METRICS
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from service.flows.send_heartbeat import Outcome, send_heartbeat
from service.notify.contract import DeliveryError
from service.notify.heartbeat import post_heartbeat
from service.settings import InvalidSettingsError, read_settings
from tests.declared import NOW, declare_app, declare_slo
from tests.flows.incident_fixtures import rows
from tests.notify.receiver import listen
from tests.standing import put

MINUTE = timedelta(minutes=1)
URL = "https://hc.example.org/s3cret-place"


class Switch:
    """A dead man's switch."""

    def __init__(self, error: DeliveryError | None = None) -> None:
        self.beats = 0
        self.error = error

    def post(self, url: str) -> None:
        assert url == URL
        if self.error:
            raise self.error
        self.beats += 1


def beat(engine: Engine, switch: Switch, at: datetime = NOW, url: str | None = URL) -> Outcome:
    return send_heartbeat(engine, switch.post, url=url, clock=lambda: at)


def test_it_beats_once_a_minute_while_slos_are_evaluated(engine: Engine) -> None:
    slo = declare_slo(engine, declare_app(engine), evaluator=None)
    switch = Switch()
    for minute in range(3):
        put(engine, slo, at=NOW + minute * MINUTE)
        assert beat(engine, switch, NOW + minute * MINUTE) == "sent"
        assert beat(engine, switch, NOW + minute * MINUTE) == "left to another worker"
    assert switch.beats == 3
    last = NOW + 2 * MINUTE
    assert rows(engine, "SELECT written_at, delivered_at FROM heartbeats") == [(last, last)]
    seen = METRICS.get_sample_value("watchkeeper_heartbeat_timestamp_seconds")
    assert seen == last.timestamp()


def test_it_stops_when_the_evaluation_stops(engine: Engine) -> None:
    slo = declare_slo(engine, declare_app(engine), evaluator=None)
    switch = Switch()
    assert beat(engine, switch) == "withheld", "never evaluated"
    put(engine, slo)
    assert beat(engine, switch, NOW + 3 * MINUTE) == "withheld"
    assert switch.beats == 0


def test_it_stops_when_the_database_cannot_be_written_to(engine: Engine) -> None:
    slo = declare_slo(engine, declare_app(engine), evaluator=None)
    put(engine, slo)
    switch = Switch()
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on"
        )
    engine.dispose()
    with pytest.raises(DBAPIError, match="read-only"):
        beat(engine, switch)
    assert switch.beats == 0


def test_without_slos_it_says_that_worker_and_database_live(engine: Engine) -> None:
    assert beat(engine, Switch()) == "sent"
    assert beat(engine, Switch(), NOW + MINUTE, url=None) == "withheld"


def test_one_that_does_not_arrive_is_counted_and_tells_no_address(engine: Engine) -> None:
    before = METRICS.get_sample_value("watchkeeper_heartbeat_failures_total") or 0
    with capture_logs() as logs:
        assert beat(engine, Switch(DeliveryError("HTTP 500"))) == "failed"
    assert METRICS.get_sample_value("watchkeeper_heartbeat_failures_total") == before + 1
    assert "s3cret" not in str(logs)
    assert rows(engine, "SELECT delivered_at FROM heartbeats") == [(None,)]


def test_a_post_is_tried_again_and_its_error_tells_no_address() -> None:
    waits: list[float] = []
    with listen() as receiver:
        receiver.answers += [(503, {}), (200, {})]
        post_heartbeat(receiver.url, sleep=waits.append)
    assert len(waits) == 1
    with pytest.raises(DeliveryError, match="ConnectError") as caught:
        post_heartbeat("http://127.0.0.1:1/s3cret", sleep=waits.append)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(DeliveryError):
        post_heartbeat("http://[s3cret", sleep=waits.append)


def test_the_address_is_kept_like_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_HEARTBEAT_URL", URL)
    assert "s3cret" not in repr(read_settings())
    monkeypatch.setenv("WATCHKEEPER_HEARTBEAT_URL", "hc.example.org/s3cret")
    with pytest.raises(InvalidSettingsError, match="WATCHKEEPER_HEARTBEAT_URL") as caught:
        read_settings()
    assert "s3cret" not in str(caught.value)
