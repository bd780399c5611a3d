"""With the real package, which talks HTTP to a provider in miniature."""

import asyncio
import gc
import json

import pytest

anthropic = pytest.importorskip("anthropic", reason="needs the anthropic package")

MESSAGES = [{"role": "user", "content": "Why?"}]
ASKED = {"model": "claude-x", "max_tokens": 9, "messages": MESSAGES}
TEXT = {"type": "text", "text": "Because."}
TOOL_USE = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Köln"}}
USAGE = {
    "input_tokens": 4,
    "cache_read_input_tokens": 6,
    "cache_creation_input_tokens": 2,
    "output_tokens": 3,
}


def message(content=(TEXT,), stop_reason="end_turn", usage=USAGE):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x-20260101",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


def events(block=None, deltas=(), stop_reason="end_turn"):
    started = message((), None, {**USAGE, "output_tokens": 1})
    return [
        {"type": "message_start", "message": started},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason, "stop_sequence": None},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
    ]


DELTAS = [{"type": "text_delta", "text": text} for text in ("Be", "cause.")]
EVENTS = events({"type": "text", "text": ""}, DELTAS)
TOOL_EVENTS = events(
    {**TOOL_USE, "input": {}},
    [{"type": "input_json_delta", "partial_json": text} for text in ("", '{"city": ', '"Köln"}')],
    "tool_use",
)


@pytest.fixture
def wrapped(wrapping):
    return lambda kind=anthropic.Anthropic, **options: wrapping(kind, **options)


def test_everything_is_taken_from_the_real_objects(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=message())
    answer = ai.messages.create(**ASKED, system="Be kind.")
    assert answer.content[0].text == "Because."
    sample = recorded(wk)
    assert json.loads(sample["prompt"]) == [{"role": "system", "content": "Be kind."}, *MESSAGES]
    assert (sample["response"], sample["model"]) == ("Because.", "claude-x-20260101")
    assert (sample["input_tokens"], sample["output_tokens"]) == (12, 3)
    assert (sample["finish_reason"], sample["outcome"]) == ("end_turn", "ok")
    assert sample["attributes"] == {
        "requested_model": "claude-x",
        "response_id": "msg_1",
        "cached_input_tokens": 6,
    }
    assert 0 < sample["latency_ms"] < 10_000
    assert wk.stats().repaired == {}


def test_a_tool_use_is_the_answer_where_there_is_no_text(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=message([TOOL_USE], "tool_use"))
    answer = ai.messages.create(**ASKED)
    answer.content[0].input["city"] = "changed by the tool"
    sample = recorded(wk)
    assert json.loads(sample["response"]) == [{"name": "weather", "arguments": {"city": "Köln"}}]


def test_images_are_shortened_to_a_mark(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=message())
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 50_000}
    image = {"type": "image", "source": source}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    ai.messages.create(
        model="claude-x",
        max_tokens=9,
        messages=[{"role": "user", "content": [image, result]}],
    )
    [sent] = json.loads(recorded(wk)["prompt"])
    shortened = {"type": "image", "source": {**source, "data": "[50000 characters]"}}
    assert sent["content"] == [shortened, {**result, "content": [shortened]}]


@pytest.mark.parametrize(
    ("status", "name"), [(429, "RateLimitError"), (500, "InternalServerError")]
)
def test_an_error_is_recorded_and_raised_on(provider, wrapped, recorded, status, name):
    wk, ai = wrapped()
    provider.plan(json={"type": "error", "error": {"type": "x", "message": "s"}}, status=status)
    with pytest.raises(getattr(anthropic, name)):
        ai.messages.create(**ASKED)
    sample = recorded(wk)
    assert (sample["outcome"], sample["error_type"], sample["model"]) == ("error", name, "claude-x")


def test_a_connection_that_fails_is_recorded(wrapped, recorded):
    wk, ai = wrapped(url="http://127.0.0.1:1")
    with pytest.raises(anthropic.APIConnectionError):
        ai.messages.create(**ASKED)
    assert recorded(wk)["error_type"] == "APIConnectionError"


def check_streamed(sample):
    assert (sample["response"], sample["finish_reason"]) == ("Because.", "end_turn")
    assert (sample["input_tokens"], sample["output_tokens"]) == (12, 3)
    assert sample["model"] == "claude-x-20260101"
    assert 0 < sample["attributes"]["time_to_first_token_ms"] <= sample["latency_ms"]


def test_a_stream_is_recorded_when_it_ends(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=EVENTS)
    stream = ai.messages.create(**ASKED, stream=True)
    assert isinstance(stream, anthropic.Stream)
    assert len(list(stream)) == len(EVENTS)
    check_streamed(recorded(wk))


@pytest.mark.parametrize("way", ["text_stream", "events", "final"])
def test_the_stream_helper_is_recorded_once(provider, wrapped, recorded, way):
    wk, ai = wrapped()
    provider.plan(events=EVENTS)
    entrance = ai.messages.stream(**ASKED)
    assert isinstance(entrance, anthropic.MessageStreamManager)
    with entrance as stream:
        if way == "text_stream":
            assert "".join(stream.text_stream) == "Because."
        elif way == "events":
            assert len(list(stream)) > len(EVENTS)
        assert stream.get_final_message().content[0].text == "Because."
    check_streamed(recorded(wk))


def test_the_stream_helper_that_is_refused(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json={"type": "error", "error": {}}, status=429)
    with pytest.raises(anthropic.RateLimitError), ai.messages.stream(**ASKED):
        pass
    assert recorded(wk)["error_type"] == "RateLimitError"


@pytest.mark.parametrize("way", ["create", "helper"])
def test_a_stream_left_in_the_middle_is_recorded(provider, wrapped, recorded, way):
    wk, ai = wrapped()
    provider.plan(events=[*EVENTS[:3], "hang"])
    create = ai.messages.create(**ASKED, stream=True) if way == "create" else None
    with create or ai.messages.stream(**ASKED) as stream:
        for event in stream:
            if event.type == "content_block_delta":
                break
    sample = recorded(wk)
    assert (sample["response"], sample["outcome"]) == ("Be", "ok")
    assert sample["attributes"]["stream_abandoned"] is True
    assert sample["input_tokens"] == 12


def test_a_forgotten_stream_is_recorded_and_closed_at_once(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=[*EVENTS[:3], "hang"])
    gc.disable()
    try:
        stream = ai.messages.create(**ASKED, stream=True)
        while next(stream).type != "content_block_delta":
            pass
        response = stream.response
        del stream
    finally:
        gc.enable()
    assert response.is_closed
    assert recorded(wk)["attributes"]["stream_abandoned"] is True


def test_an_error_in_the_middle_of_a_stream_keeps_what_came(provider, wrapped, recorded):
    wk, ai = wrapped()
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    provider.plan(events=[*EVENTS[:3], error])
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(ai.messages.create(**ASKED, stream=True))
    sample = recorded(wk)
    assert (sample["response"], sample["error_type"]) == ("Be", type(caught.value).__name__)


def test_tool_uses_are_put_together_from_a_stream(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=TOOL_EVENTS)
    list(ai.messages.create(**ASKED, stream=True))
    sample = recorded(wk)
    assert json.loads(sample["response"]) == [{"name": "weather", "arguments": {"city": "Köln"}}]
    assert sample["finish_reason"] == "tool_use"
    assert "time_to_first_token_ms" in sample["attributes"]


def test_the_async_client_likewise(provider, wrapped, server):
    wk, ai = wrapped(anthropic.AsyncAnthropic)
    provider.plan(json=message())
    for _ in range(2):
        provider.plan(events=EVENTS)
    provider.plan(json={"type": "error", "error": {}}, status=429)

    async def main():
        await ai.messages.create(**ASKED)
        async for _ in await ai.messages.create(**ASKED, stream=True):
            pass
        async with ai.messages.stream(**ASKED) as stream:
            assert "".join([text async for text in stream.text_stream]) == "Because."
        with pytest.raises(anthropic.RateLimitError):
            async with ai.messages.stream(**ASKED):
                pass
        await ai.close()

    asyncio.run(main())
    wk.flush()
    *streamed, refused = server.samples
    assert [(s["response"], s["output_tokens"]) for s in streamed] == [("Because.", 3)] * 3
    check_streamed(streamed[1])
    check_streamed(streamed[2])
    assert refused["error_type"] == "RateLimitError"


def test_a_cancelled_async_stream_keeps_what_came(provider, wrapped, recorded):
    wk, ai = wrapped(anthropic.AsyncAnthropic)
    provider.plan(events=[*EVENTS[:3], "hang"])

    async def main():
        seen = asyncio.Event()

        async def consume():
            async with ai.messages.stream(**ASKED) as stream:
                async for _ in stream.text_stream:
                    seen.set()

        consuming = asyncio.create_task(consume())
        await seen.wait()
        consuming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consuming
        await ai.close()

    asyncio.run(main())
    sample = recorded(wk)
    assert (sample["response"], sample["error_type"]) == ("Be", "CancelledError")


def test_the_other_ways_in_are_recorded_too(provider, wrapped, server):
    wk, ai = wrapped()
    for _ in range(4):
        provider.plan(json=message())
    assert ai.messages.with_raw_response.create(**ASKED).parse().content[0].text == "Because."
    ai.with_options(timeout=5).messages.create(**ASKED)
    ai.beta.messages.create(**ASKED)
    ai.messages.parse(**ASKED)
    wk.flush()
    assert [sample["response"] for sample in server.samples] == ["Because."] * 4


def test_each_turn_of_a_tool_runner_is_recorded(provider, wrapped, server):
    @anthropic.beta_tool
    def weather(city: str) -> str:
        """The weather.

        Args:
            city: where
        """
        return f"sunny in {city}"

    wk, ai = wrapped()
    provider.plan(json=message([TOOL_USE], "tool_use"))
    provider.plan(json=message())
    runner = ai.beta.messages.tool_runner(**ASKED, tools=[weather])
    assert runner.until_done().content[0].text == "Because."
    wk.flush()
    assert [s["finish_reason"] for s in server.samples] == ["tool_use", "end_turn"]
    assert "sunny in Köln" in server.samples[1]["prompt"]


def test_counting_tokens_is_no_call(provider, wrapped):
    wk, ai = wrapped()
    provider.plan(json={"input_tokens": 4})
    ai.messages.count_tokens(model="claude-x", messages=MESSAGES)
    assert wk.stats().produced == 0
    assert isinstance(ai, anthropic.Anthropic)
