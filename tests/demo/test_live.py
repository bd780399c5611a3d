"""The live part: the pace, the update, the messages, and what waiting gives way to."""

import json
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from itertools import islice
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.demo.happenings import Happenings, Message, StopAskedError
from service.demo.live import Pace, live_traffic
from service.demo.receiver import listen
from service.demo.support_app import AFTER_UPDATE, BEFORE_UPDATE


class Recorder:
    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def record(self, **call: Any) -> None:
        self.calls.append(call)


def traffic(recorder: Recorder, pace: Pace, pauses: list[float]) -> Iterator[float]:
    return live_traffic(recorder, pace, Random(7), pause=pauses.append)  # type: ignore[arg-type]


def test_answers_come_from_the_old_model_before_the_update_and_from_the_new_one_after() -> None:
    for update_after_s, model in ((3600, BEFORE_UPDATE), (0, AFTER_UPDATE)):
        recorder = Recorder()
        list(islice(traffic(recorder, Pace(5, update_after_s), []), 10))
        models = {call["model"] for call in recorder.calls if call["task"] == "answer"}
        assert models == {model.answer_model}


def test_one_call_of_five_is_routed() -> None:
    recorder = Recorder()
    list(islice(traffic(recorder, Pace(), []), 50))
    assert sum(call["task"] == "route" for call in recorder.calls) == 10


def test_calls_keep_their_pace() -> None:
    pauses: list[float] = []
    list(islice(traffic(Recorder(), Pace(calls_per_second=5), pauses), 3))
    assert pauses[0] <= 0
    assert 0.1 < pauses[1] <= 0.2
    assert pauses[2] <= 0.4


def test_a_message_reaches_whoever_waits() -> None:
    told: list[Message] = []
    happenings = Happenings(told.append, lambda: None)
    with listen(happenings.put) as url:
        assert post(url, json.dumps({"type": "incident.opened"}).encode()) == 204
        assert post(url, b"no message") == 400
        assert post(url, b"[]") == 400
        happenings.pause()
    assert told == [{"type": "incident.opened"}]


def test_waiting_ends_when_the_time_is_over_and_says_so_once() -> None:
    stopped: list[str] = []
    happenings = Happenings(lambda _: None, lambda: stopped.append("stopped"), seconds=0.05)
    with pytest.raises(StopAskedError):
        happenings.pause(timedelta(minutes=1).total_seconds())
    assert stopped == ["stopped"]


def test_waiting_ends_when_the_check_raises() -> None:
    def child_ended() -> None:
        raise ChildProcessError

    happenings = Happenings(lambda _: None, lambda: None)
    happenings.check = child_ended
    with pytest.raises(ChildProcessError):
        happenings.pause(timedelta(minutes=1).total_seconds())


def post(url: str, body: bytes) -> int:
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request("POST", address.path, body)
        return connection.getresponse().status
    finally:
        connection.close()
