"""The bound in bytes: what is weighed, what goes, and that no count does."""

import sys
import tracemalloc

import pytest

from watchkeeper import Watchkeeper
from watchkeeper.counts import CallCounts
from watchkeeper.intake import Intake
from watchkeeper.ledger import Ledger
from watchkeeper.providers.shape import Conversation
from watchkeeper.wake import Wake
from watchkeeper.weights import weight_of

KB = 1_000


def odd():
    """Of the app: nothing of it may be run to weigh it."""

    def looked_at(self):
        raise AssertionError("looked at")

    members = {"__class__": property(looked_at), "__sizeof__": looked_at, "__iter__": looked_at}
    return type("Odd", (), members)()


class Text(str):
    __slots__ = ()

    def __sizeof__(self):
        raise AssertionError("looked at")


def call_of(prompt, response=None, attributes=None):
    head = (60.0, None, "t", "m", "", None, 1, 1, None, 5.0)
    return (*head, prompt, response, None, None, None, None, attributes, None, False, None)


def itself():
    endless = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("x" * KB, 1),
        ("\U0001f600" * (KB // 4), 1),
        (b"x" * KB, 1),
        (Text("x" * KB), 1),
        ([{"role": "u", "content": "x" * KB}, {"content": [{"text": "x" * KB}]}], 2),
        (("x" * KB, ["x" * KB]), 2),
        (Conversation([{"content": "x" * KB}, {"content": "x" * KB}], "x" * KB), 3),
        (itself(), 0),
    ],
)
def test_texts_are_weighed_wherever_they_are(value, texts):
    for call in (call_of(value), call_of(None, value), call_of(None, None, {"a": value})):
        assert texts * KB <= weight_of(call) <= texts * KB + 300


def test_nothing_of_the_app_is_run_to_weigh_a_call():
    for value in (odd(), [odd(), 3, None, {"a": odd()}]):
        assert weight_of(call_of(value, value, {"a": value})) == 0


def intake_of(max_bytes, max_queue=1_000, flush_at=100):
    ledger = Ledger()
    return Intake(ledger, Wake(), lambda: True, flush_at, max_queue, max_bytes), ledger


def record(intake, prompt, calls=1):
    for _ in range(calls):
        intake.queue.append(call_of(prompt))
        if len(intake.queue) > intake.alarm:
            intake.attend()


def test_the_oldest_texts_go_and_every_count_stays():
    intake, _ = intake_of(max_bytes=10 * KB)
    for number in range(50):
        record(intake, f"{number:02}" + "x" * (KB - sys.getsizeof("") - 2))
    calls, first = intake.take(100)
    assert [call[10][:2] for call in calls] == [str(number) for number in range(40, 50)]
    assert first == 41
    counts = CallCounts()
    intake.hand_over_counts(counts)
    assert counts.calls == 40
    assert intake.read().dropped == {"queue_full": 40}


def test_after_heavy_calls_the_apps_thread_sheds_before_the_sender_has_a_turn():
    intake, _ = intake_of(max_bytes=10 * KB)
    record(intake, "x" * KB, calls=5)
    intake.take(5)
    record(intake, "x" * KB, calls=500)
    assert len(intake.queue) <= 10
    assert intake.read().dropped["queue_full"] >= 490


@pytest.mark.parametrize("light", ["x", None])
def test_light_calls_after_heavy_ones_lose_nothing(light):
    intake, _ = intake_of(max_bytes=100 * KB)
    record(intake, "x" * 20 * KB, calls=4)
    intake.take(4)
    record(intake, light, calls=500)
    assert len(intake.queue) == 500
    assert intake.read().dropped == {}


def test_nothing_goes_while_all_that_waits_fits():
    intake, _ = intake_of(max_bytes=100 * KB)
    record(intake, "x" * 20 * KB, calls=4)
    intake.take(1)
    record(intake, "x" * 10 * KB, calls=3)
    record(intake, None, calls=900)
    assert intake.read().dropped == {}
    record(intake, "x" * 20 * KB, calls=1)
    intake.take(1)
    assert intake.read().dropped == {"queue_full": 1}


def test_the_sender_is_woken_before_anything_has_to_go():
    intake, _ = intake_of(max_bytes=10 * KB)
    record(intake, "x" * KB, calls=5)
    intake.take(5)
    intake.rearm()
    assert intake.alarm == 4


def test_one_text_longer_than_the_bound_is_kept():
    intake, _ = intake_of(max_bytes=KB)
    record(intake, "x" * 50 * KB, calls=3)
    calls, first = intake.take(10)
    assert (len(calls), first) == (1, 3)


def test_an_outage_holds_no_more_text_than_it_may(server, client, balanced):
    server.plans.append("hang")
    wk = client(flush_at=10, max_queue_bytes=400 * KB)
    wk.record(task="first")
    wk.flush(0.01)
    server.wait_for(lambda: server.requests)
    tracemalloc.start()
    try:
        for number in range(400):
            wk.record(task="t", prompt=f"{number}" + "x" * 50 * KB, input_tokens=1)
            if number % 5 == 0:
                balanced(wk)
        collector = wk._pipeline.collector
        while wk._pipeline.intake.queue:
            wk.flush(0.01)
        assert collector.backlog.bytes <= 400 * KB
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2_000 * KB  # of 20 MB
    server.released.set()
    assert wk.flush().complete
    stats = balanced(wk)
    assert stats.dropped["queue_full"] >= 350
    assert stats.counted == server.counted == 401
    assert sum(row["input_tokens"] for row in server.counts) == 400


def test_a_batch_leaves_before_its_texts_fill_the_backlog(server, client, balanced):
    wk = client(flush_at=1_000, max_queue_bytes=400 * KB)
    wk.record(task="t", prompt="x" * 50 * KB)
    assert wk.flush().complete
    for _ in range(5):
        wk.record(task="t", prompt="x" * 50 * KB)
    server.wait_for(lambda: len(server.samples) == 6)
    assert balanced(wk).dropped == {}


def test_a_bound_that_is_none_is_seen_at_construction():
    for wrong in (0, -1, 1.5, True, None):
        with pytest.raises(ValueError, match="max_queue_bytes must be a whole number"):
            Watchkeeper("http://127.0.0.1:9", "wk_x", app="a", max_queue_bytes=wrong)
