"""A queue that nobody empties: texts go, counts stay, memory is bounded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.calls import COUNTED
from watchkeeper.counts import CallCounts
from watchkeeper.intake import Intake
from watchkeeper.ledger import Ledger
from watchkeeper.wake import Wake

MAX_QUEUE = 20


def call_of(task, number):
    return (60.0, None, task, "m", "", None, number, 1, None, 5.0, "prompt", *(None,) * 9)


def filled(tasks, max_queue=MAX_QUEUE):
    """What record() does, without a sender behind it."""
    ledger = Ledger()
    intake = Intake(ledger, Wake(), lambda: True, flush_at=5, max_queue=max_queue, max_bytes=10**9)
    for number, task in enumerate(tasks):
        intake.queue.append(call_of(task, number))
        if len(intake.queue) > intake.alarm:
            intake.attend()
    return intake, ledger


@settings(derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "", None, ["unhashable"]]), max_size=400))
def test_every_call_shed_is_counted_wherever_that_happens(tasks):
    intake, _ = filled(tasks)
    assert len(intake.queue) <= MAX_QUEUE
    counts = CallCounts()
    intake.hand_over_counts(counts)
    stats = intake.read()
    shed = len(tasks) - len(intake.queue)
    assert stats.produced == len(tasks)
    assert stats.dropped.get("queue_full", 0) == shed
    assert counts.calls + stats.uncounted.get("no_task", 0) == shed
    input_tokens = sum(counts.pop()[1].input_tokens for _ in range(len(counts)))
    assert input_tokens == sum(n for n, task in enumerate(tasks[:shed]) if task)


def test_what_waits_to_be_counted_holds_no_text_and_has_a_limit():
    intake, _ = filled(["a"] * 5_000)
    piled = [call for _, calls in intake._pile for call in calls]
    assert 10 * MAX_QUEUE <= len(piled) <= 10 * MAX_QUEUE + 2
    assert {len(call) for call in piled} == {COUNTED}


def test_a_shutdown_says_which_counts_it_lost():
    intake, _ = filled(["a"] * 5_000)
    intake.close()
    stats = intake.read()
    assert stats.queued == 0
    assert stats.uncounted == {"shutdown": 5_000}
    assert sum(stats.dropped.values()) == 5_000
