from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from service.replay.errors import (
    BatchRefusedError,
    ReplayUsageError,
    ServerRefusedError,
    ServerUnreachableError,
)
from service.replay.sender import Patience, Sender, _retry_after
from tests.replay.stand_in import KEY, StandIn

BODY = (
    b'{"batch_id": "0b5c1a52-0f0e-4c3b-9d0c-6d0a4a3f2b11", "app": "support",'
    b' "samples": [], "call_counts": []}'
)


class FakeTime:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def clock(self) -> float:
        return self.now


def a_sender(url: str, time: FakeTime, *, key: str = KEY, told: list[str] | None = None) -> Sender:
    on_wait = (told if told is not None else []).append
    return Sender(url, key, on_wait=on_wait, sleep=time.sleep, clock=time.clock)


def test_what_passes_by_itself_is_tried_again_with_growing_pauses(server: StandIn) -> None:
    server.answers = [(503, {}), "drop", "store and drop", (500, {}), (429, {"Retry-After": "30"})]
    time, told = FakeTime(), list[str]()
    with a_sender(server.url, time, told=told) as sender:
        receipt = sender.post(BODY)
    assert time.pauses == [0.5, 1, 2, 4, 30]
    assert receipt["duplicate"] == 0
    assert len(server.posts) == 2
    assert len(server.stored) == 1
    assert "503" in told[0]
    assert "the connection broke" in told[1]
    assert "asks to wait 30 s" in told[-1]


def test_a_server_that_never_answered_is_given_up_soon() -> None:
    time = FakeTime()
    with (
        a_sender("http://127.0.0.1:1", time) as sender,
        pytest.raises(ServerUnreachableError, match="cannot be reached"),
    ):
        sender.post(BODY)
    assert sum(time.pauses) <= Patience().first_s


def test_a_server_that_stays_busy_is_given_up_after_a_bounded_time(server: StandIn) -> None:
    server.always = (503, {"Retry-After": "5"})
    time = FakeTime()
    with (
        a_sender(server.url, time) as sender,
        pytest.raises(ServerUnreachableError, match="503"),
    ):
        sender.post(BODY)
    assert Patience().first_s < sum(time.pauses) <= Patience().later_s
    assert max(time.pauses) <= Patience().longest_pause_s


def test_a_server_that_wants_to_be_left_alone_for_long_is_not_waited_for(server: StandIn) -> None:
    server.always = (503, {"Retry-After": "86400"})
    time = FakeTime()
    with a_sender(server.url, time) as sender, pytest.raises(ServerUnreachableError, match="86400"):
        sender.post(BODY)
    assert time.pauses == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, ServerRefusedError, "WATCHKEEPER_API_KEY"),
        (403, ServerRefusedError, "--app"),
        (404, ServerRefusedError, "--url"),
        (302, ServerRefusedError, "--url"),
        (200, ServerRefusedError, "--url"),
        (413, BatchRefusedError, "--batch-size"),
        (422, BatchRefusedError, "because of"),
    ],
)
def test_a_refusal_is_told_at_once(
    server: StandIn, status: int, kind: type[Exception], words: str
) -> None:
    server.always = (status, {})
    time = FakeTime()
    with a_sender(server.url, time) as sender, pytest.raises(kind, match=words):
        sender.post(BODY)
    assert time.pauses == []


def test_something_else_that_says_202_is_no_watchkeeper(server: StandIn) -> None:
    server.always = (202, {})
    with (
        a_sender(server.url, FakeTime()) as sender,
        pytest.raises(ServerRefusedError, match="does not answer like Watchkeeper"),
    ):
        sender.post(BODY)


def test_the_key_is_never_shown(server: StandIn) -> None:
    server.always = (403, {})
    for key in (KEY, "wk_wrong_but_secret"):
        with a_sender(server.url, FakeTime(), key=key) as sender:
            with pytest.raises(ServerRefusedError) as refused:
                sender.post(BODY)
            assert key not in str(refused.value)


@pytest.mark.parametrize("key", ["", "wk_\n", "wk_ä", "wk_a b"])
def test_what_cannot_be_a_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ReplayUsageError) as refused:
        Sender("http://127.0.0.1:8000", key)
    assert "wk_" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://host",
        "http://",
        "http://h:port",
        "http://u:p@h",
        "http://h/?a=b",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ReplayUsageError, match="--url"):
        Sender(url, KEY)


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert _retry_after(httpx.Headers({"Retry-After": "7"})) == 7
    assert 50 < _retry_after(httpx.Headers({"Retry-After": soon})) <= 60
    for text in ("", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00"):
        assert _retry_after(httpx.Headers({"Retry-After": text})) == 0
