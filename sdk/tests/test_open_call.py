import asyncio
import contextvars
import threading
import uuid
from collections import Counter

import pytest

import watchkeeper


def only(server):
    [sample] = server.samples
    return sample


def test_what_is_filled_in_is_recorded_when_the_block_ends(server, client):
    wk = client(sample_rate=0.0)
    with wk.call(
        task="answer", prompt="why", model="m", prompt_version="v", attributes={"k": 1}
    ) as call:
        assert uuid.UUID(call.sample_id).version == 7
        call.first_token()
        first = call.attributes["time_to_first_token_ms"]
        call.first_token()
        call.response = "because"
        call.usage(input_tokens=3, cost_usd=0.5)
        call.usage(output_tokens=4)
        call.finish_reason = "stop"
        call.model = "m-2026"
        call.reference = "so"
        call.flag()
        assert wk.stats().produced == 0
    wk.flush()
    sample = only(server)
    assert (sample["prompt"], sample["response"], sample["reference"]) == ("why", "because", "so")
    assert (sample["task"], sample["model"], sample["prompt_version"]) == ("answer", "m-2026", "v")
    assert (sample["input_tokens"], sample["output_tokens"], sample["cost_usd"]) == (3, 4, 0.5)
    assert (sample["finish_reason"], sample["outcome"]) == ("stop", "ok")
    assert sample["attributes"]["time_to_first_token_ms"] == first <= sample["latency_ms"]
    assert sample["attributes"]["k"] == 1
    assert sample["sample_id"] == call.sample_id


def test_an_exception_is_recorded_and_raised_on(server, client):
    wk = client()
    error = TimeoutError("late")

    def fail():
        with wk.call(task="answer") as call:
            call.response = "half"
            raise error

    with pytest.raises(TimeoutError) as caught:
        fail()
    assert caught.value is error
    with wk.call(task="answer") as call:
        call.error = "Refused"
    wk.flush()
    seen = [(s["response"], s["error_type"]) for s in server.samples]
    assert seen == [("half", "TimeoutError"), (None, "Refused")]


def test_a_list_of_messages_is_recorded_as_it_was_at_the_beginning(server, client):
    wk = client()
    messages = ["why"]
    with wk.call(task="answer", prompt=messages) as call:
        messages.append("because")
        call.response = messages[-1]
    wk.flush()
    assert only(server)["prompt"] == '["why"]'


def test_a_block_in_a_generator_that_is_closed_is_no_error(server, client):
    wk = client()

    def stream():
        with wk.call(task="answer") as call:
            call.response = "be"
            yield "be"

    talk = stream()
    next(talk)
    talk.close()
    wk.flush()
    assert (only(server)["outcome"], only(server)["response"]) == ("ok", "be")


def test_a_signal_finds_the_call_whose_id_was_known_before(server, client):
    wk = client()
    with wk.call(task="answer") as call:
        shown_with = call.sample_id
    wk.signal(shown_with, "thumbs", 1)
    with wk.call(task="answer", sample_id="7") as call:
        assert call.sample_id == "7"
    wk.flush()
    [batch] = server.batches.values()
    assert batch["signals"][0]["sample_id"] == batch["samples"][0]["sample_id"]


def test_an_observed_function_can_reach_its_call(server, client):
    wk = client()
    ids = []

    @wk.observe(task="answer")
    def answer(question):
        call = wk.current_call()
        call.usage(input_tokens=1, output_tokens=2)
        call.model = "m"
        ids.append(call.sample_id)
        return question * 2

    @wk.observe(task="stream")
    async def stream(question):
        ids.append(watchkeeper.current_call().sample_id)
        yield "be"
        assert watchkeeper.current_call().sample_id == ids[-1]
        watchkeeper.current_call().finish_reason = "stop"
        yield "cause"

    async def consume():
        async for _ in stream("why"):
            assert wk.current_call().sample_id == ""

    answer("why")
    asyncio.run(consume())
    wk.flush()
    observed, streamed = server.samples
    assert [observed["sample_id"], streamed["sample_id"]] == ids
    assert (observed["model"], observed["input_tokens"], observed["response"]) == ("m", 1, "whywhy")
    assert (streamed["finish_reason"], streamed["response"]) == ("stop", "because")
    assert streamed["attributes"]["time_to_first_token_ms"] <= streamed["latency_ms"]


def test_a_response_that_the_function_states_goes_before_its_return_value(server, client):
    wk = client()

    @wk.observe(task="answer")
    def answer(question):
        wk.current_call().response = "the text"
        return {"text": "the text", "more": 1}

    answer("why")
    wk.flush()
    assert only(server)["response"] == "the text"


def test_outside_of_a_call_there_is_one_that_is_recorded_nowhere(client):
    wk = client()
    call = wk.current_call()
    call.flag()
    call.usage(input_tokens=1)
    with call:
        pass
    assert call.sample_id == ""
    assert wk.stats().produced == 0


def test_calls_within_calls_are_told_apart(client):
    wk = client()
    with wk.call(task="outer") as outer:
        assert wk.current_call() is outer
        with wk.call(task="inner") as inner:
            assert wk.current_call() is inner
        assert wk.current_call() is outer


def test_the_session_holds_for_the_calls_inside(server, client):
    wk = client()
    with wk.session("s1", user_id="u1"):
        wk.record(task="plain")
        wk.record(task="explicit", session_id="other", user_id="one")
        with wk.session("s2"):
            wk.record(task="inner")
        with wk.call(task="call"):
            pass
    wk.record(task="outside")
    wk.flush()
    seen = {s["task"]: (s["session_id"], s["user_id"]) for s in server.samples}
    assert seen == {
        "plain": ("s1", "u1"),
        "explicit": ("other", "one"),
        "inner": ("s2", "u1"),
        "call": ("s1", "u1"),
        "outside": (None, None),
    }


def test_sessions_follow_asyncio_tasks_and_not_other_threads(server, client):
    wk = client()

    async def turn(name):
        with wk.session(name):
            await asyncio.sleep(0)
            await asyncio.create_task(later(name))

    async def later(name):
        wk.record(task=name)

    async def main():
        await asyncio.gather(*(turn(name) for name in "abc"))

    asyncio.run(main())
    with wk.session("main"):
        context = contextvars.copy_context()
        for target in (
            lambda: wk.record(task="thread"),
            lambda: context.run(wk.record, task="copied"),
        ):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    wk.flush()
    seen = {s["task"]: s["session_id"] for s in server.samples}
    assert seen == {"a": "a", "b": "b", "c": "c", "thread": None, "copied": "main"}


def test_a_session_can_be_entered_again_within_itself_and_elsewhere(server, client):
    wk = client()
    again = wk.context(task="t")
    with wk.session("first"), again, again:
        wk.record(task="within")
    with wk.session("second"), again:
        wk.record(task="elsewhere")
    with again:
        wk.record(task="alone")
    wk.record(task="outside")
    wk.flush()
    sessions = {sample["task"]: sample["session_id"] for sample in server.samples}
    assert sessions == {"within": "first", "elsewhere": "second", "alone": None, "outside": None}


def test_tasks_that_share_a_context_keep_their_own_sessions(server, client):
    wk = client()
    shared = wk.context(trace_id="shared")

    async def answer(name, entered, goes_on):
        with wk.session(name), shared:
            entered.set()
            await goes_on.wait()
            wk.record(task=name)
        wk.record(task=f"after {name}")

    async def main():
        first, second = asyncio.Event(), asyncio.Event()
        await asyncio.gather(answer("a", first, second), answer("b", second, first))

    asyncio.run(main())
    wk.flush()
    sessions = {sample["task"]: sample["session_id"] for sample in server.samples}
    assert sessions == {"a": "a", "b": "b", "after a": None, "after b": None}


def test_calls_of_one_trace_are_kept_or_left_together(server, client):
    wk = client(sample_rate=0.5)

    @wk.observe(task="observed", trace_id=lambda trace: trace)
    def work(trace):
        with wk.call(task="called", trace_id=trace):
            wk.record(task="recorded", trace_id=trace)
        with wk.context(trace_id=trace):
            wk.record(task="inside")

    for number in range(40):
        work(f"trace {number}")
    wk.flush()
    kept = Counter(sample["attributes"]["trace_id"] for sample in server.samples)
    assert 5 < len(kept) < 35
    assert set(kept.values()) == {4}
