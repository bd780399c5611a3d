"""With the real package, which talks HTTP to a provider in miniature."""

import asyncio
import gc
import json

import pytest

openai = pytest.importorskip("openai", reason="needs the openai package")

MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Why?"},
]
MESSAGE = {"role": "assistant", "content": "Because.", "refusal": None}
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 8},
}
TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Köln"}'},
}


def completion(message=None, finish_reason="stop"):
    choice = {"index": 0, "message": message or MESSAGE, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "choices": [{**choice, "logprobs": None}],
        "usage": USAGE,
    }


def chunk(delta=None, finish_reason=None, usage=None):
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "choices": [] if delta is None else choices,
        "usage": usage,
    }


CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Be"}),
    chunk({"content": "cause."}),
    chunk({}, "stop"),
    chunk(usage=USAGE),
    "[DONE]",
]


def response(output=None, status="completed", **fields):
    text = {"type": "output_text", "text": "Because.", "annotations": []}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5-2026-01-01",
        "output": output or [{**message, "content": [text]}],
        "status": status,
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 20,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 25,
        },
        **fields,
    }


def events(end="response.completed", **fields):
    item = {"item_id": "m", "output_index": 0, "content_index": 0, "logprobs": []}
    created = response(status="in_progress", output=[])
    message = {"type": "message", "id": "m", "role": "assistant", "status": "in_progress"}
    part = {"type": "output_text", "text": "", "annotations": []}
    listed = [
        {"type": "response.created", "response": {**created, "output": []}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**message, "content": []},
        },
        {"type": "response.content_part.added", **item, "part": part},
        {"type": "response.output_text.delta", **item, "delta": "Be"},
        {"type": "response.output_text.delta", **item, "delta": "cause."},
        {"type": end, "response": response(**fields)},
    ]
    return [{**event, "sequence_number": n} for n, event in enumerate(listed)]


@pytest.fixture
def wrapped(wrapping):
    return lambda kind=openai.OpenAI, **options: wrapping(kind, **options)


def test_everything_is_taken_from_the_real_objects(provider, wrapped, recorded):
    wk, ai = wrapped(prompt_version="v2", attributes={"k": 1}, session_id="s1", user_id="u1")
    provider.plan(json=completion())
    answer = ai.chat.completions.create(model="gpt-4o", messages=MESSAGES, temperature=0.5)
    assert answer.choices[0].message.content == "Because."
    [(path, body)] = provider.requests
    assert path == "/chat/completions"
    assert body == {"model": "gpt-4o", "messages": MESSAGES, "temperature": 0.5}
    sample = recorded(wk)
    assert json.loads(sample["prompt"]) == MESSAGES
    assert sample["attributes"] == {
        "k": 1,
        "requested_model": "gpt-4o",
        "response_id": "chatcmpl-1",
        "cached_input_tokens": 8,
    }
    assert (sample["task"], sample["prompt_version"]) == ("answer", "v2")
    assert (sample["session_id"], sample["user_id"]) == ("s1", "u1")
    assert (sample["response"], sample["model"]) == ("Because.", "gpt-4o-2024-08-06")
    assert (sample["input_tokens"], sample["output_tokens"]) == (12, 3)
    assert (sample["outcome"], sample["finish_reason"]) == ("ok", "stop")
    assert 0 < sample["latency_ms"] < 10_000
    assert wk.stats().repaired == {}


def test_a_tool_call_is_the_answer_where_there_is_no_text(provider, wrapped, recorded):
    wk, ai = wrapped()
    message = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    provider.plan(json=completion(message, "tool_calls"))
    ai.chat.completions.create(model="m", messages=MESSAGES)
    sample = recorded(wk)
    assert json.loads(sample["response"]) == [{"name": "weather", "arguments": {"city": "Köln"}}]
    assert sample["finish_reason"] == "tool_calls"


def test_what_the_provider_answered_can_be_sent_back_and_is_recorded(provider, wrapped, server):
    wk, ai = wrapped()
    message = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    provider.plan(json=completion(message, "tool_calls"))
    provider.plan(json=completion())
    talk = list(MESSAGES)
    answer = ai.chat.completions.create(model="m", messages=talk)
    talk.append(answer.choices[0].message)
    talk.append({"role": "tool", "tool_call_id": "call_1", "content": "sunny"})
    ai.chat.completions.create(model="m", messages=talk)
    wk.flush()
    first, second = (json.loads(sample["prompt"]) for sample in server.samples)
    assert first == MESSAGES
    assert [message["role"] for message in second] == ["system", "user", "assistant", "tool"]
    assert second[2]["tool_calls"][0]["function"] == TOOL_CALL["function"]


def test_images_are_shortened_to_a_mark(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=completion())
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 50_000}}
    sound = {"type": "input_audio", "input_audio": {"data": "B" * 50_000, "format": "wav"}}
    text = {"type": "text", "text": "What is this? " + "long " * 100}
    content = [text, image, sound]
    ai.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    assert len(provider.requests[0][1]["messages"][0]["content"][1]["image_url"]["url"]) > 50_000
    [message] = json.loads(recorded(wk)["prompt"])
    assert message["content"] == [
        text,
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,[50000 characters]"}},
        {"type": "input_audio", "input_audio": {"data": "[50000 characters]", "format": "wav"}},
    ]


@pytest.mark.parametrize(
    ("status", "name"), [(429, "RateLimitError"), (500, "InternalServerError")]
)
def test_an_error_of_the_provider_is_recorded_and_raised_on(
    provider, wrapped, recorded, status, name
):
    wk, ai = wrapped()
    provider.plan(json={"error": {"message": "the secret prompt"}}, status=status)
    with pytest.raises(getattr(openai, name)):
        ai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    sample = recorded(wk)
    assert (sample["outcome"], sample["error_type"], sample["model"]) == ("error", name, "gpt-4o")
    assert sample["response"] is None
    assert "requested_model" not in sample["attributes"]
    assert "the secret prompt" not in str(sample)


def test_a_connection_that_fails_is_recorded(wrapped, recorded):
    wk, ai = wrapped(url="http://127.0.0.1:1")
    with pytest.raises(openai.APIConnectionError):
        ai.chat.completions.create(model="m", messages=MESSAGES)
    assert recorded(wk)["error_type"] == "APIConnectionError"


def test_a_stream_is_recorded_when_it_ends(provider, wrapped, recorded, server):
    wk, ai = wrapped()
    provider.plan(events=CHUNKS)
    stream = ai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert isinstance(stream, openai.Stream)
    assert wk.stats().produced == 0
    texts = [c.choices[0].delta.content for c in stream if c.choices]
    assert texts == ["", "Be", "cause.", None]
    sample = recorded(wk)
    assert (sample["response"], sample["finish_reason"]) == ("Because.", "stop")
    assert (sample["input_tokens"], sample["output_tokens"]) == (12, 3)
    assert sample["model"] == "gpt-4o-2024-08-06"
    assert 0 < sample["attributes"]["time_to_first_token_ms"] <= sample["latency_ms"]


def test_tool_calls_are_put_together_from_a_stream(provider, wrapped, recorded):
    wk, ai = wrapped()
    parts = [{**TOOL_CALL, "function": {"name": "weather", "arguments": ""}}]
    parts += [{"function": {"arguments": text}} for text in ('{"city": ', '"Köln"}')]
    deltas = [chunk({"tool_calls": [{"index": 0, **part}]}) for part in parts]
    provider.plan(events=[*deltas, chunk({}, "tool_calls"), "[DONE]"])
    list(ai.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    sample = recorded(wk)
    assert json.loads(sample["response"]) == [{"name": "weather", "arguments": {"city": "Köln"}}]
    assert "time_to_first_token_ms" in sample["attributes"]
    assert sample["input_tokens"] is None


@pytest.mark.parametrize("way", ["close", "with", "forgotten"])
def test_a_stream_left_in_the_middle_is_recorded(provider, wrapped, recorded, way):
    wk, ai = wrapped()
    provider.plan(events=[*CHUNKS[:2], "hang"])
    stream = ai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    if way == "with":
        with stream:
            next(stream), next(stream)
    else:
        next(stream), next(stream)
        if way == "close":
            stream.close()
        del stream
        gc.collect()
    sample = recorded(wk)
    assert (sample["response"], sample["outcome"]) == ("Be", "ok")
    assert sample["attributes"]["stream_abandoned"] is True


def test_a_stream_that_breaks_keeps_what_came(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=[*CHUNKS[:2], "break"])
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of the HTTP library, or the package's
        list(ai.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    sample = recorded(wk)
    assert (sample["response"], sample["error_type"]) == ("Be", type(caught.value).__name__)


def test_the_stream_helper_is_recorded_once(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=CHUNKS)
    with ai.chat.completions.stream(model="m", messages=MESSAGES) as stream:
        kinds = {event.type for event in stream}
        assert "content.delta" in kinds
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Because."
    assert recorded(wk)["response"] == "Because."


def test_the_stream_helper_left_in_the_middle_is_recorded(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=[*CHUNKS[:2], "hang"])
    with ai.chat.completions.stream(model="m", messages=MESSAGES) as stream:
        next(stream)
        next(stream)
        next(stream)
    assert recorded(wk)["attributes"]["stream_abandoned"] is True


def test_parse_is_recorded(provider, wrapped, recorded):
    from pydantic import BaseModel

    class Verdict(BaseModel):
        good: bool

    wk, ai = wrapped()
    provider.plan(json=completion({**MESSAGE, "content": '{"good": true}'}))
    answer = ai.chat.completions.parse(model="m", messages=MESSAGES, response_format=Verdict)
    assert answer.choices[0].message.parsed == Verdict(good=True)
    assert recorded(wk)["response"] == '{"good": true}'


def test_raw_responses_are_recorded_and_stay_readable(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=completion())
    raw = ai.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    assert raw.status_code == 200
    assert raw.parse().choices[0].message.content == "Because."
    sample = recorded(wk)
    assert (sample["response"], sample["input_tokens"]) == ("Because.", 12)


def test_a_response_that_the_app_streams_itself_is_counted(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=completion())
    create = ai.chat.completions.with_streaming_response.create
    with create(model="m", messages=MESSAGES) as raw:
        assert b"Because." in raw.read()
    sample = recorded(wk)
    assert (sample["response"], sample["latency_ms"]) == (None, None)
    assert json.loads(sample["prompt"]) == MESSAGES


def test_the_responses_api_likewise(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=response())
    answer = ai.responses.create(model="gpt-5", instructions="Be kind.", input="Why?")
    assert answer.output_text == "Because."
    sample = recorded(wk)
    assert json.loads(sample["prompt"]) == MESSAGES
    assert (sample["response"], sample["model"]) == ("Because.", "gpt-5-2026-01-01")
    assert (sample["input_tokens"], sample["output_tokens"]) == (20, 5)
    assert sample["finish_reason"] == "completed"
    assert sample["attributes"] == {"requested_model": "gpt-5", "response_id": "resp_1"}


def test_a_lone_text_stays_a_text(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=response())
    ai.responses.create(model="gpt-5", input="Why?")
    assert recorded(wk)["prompt"] == "Why?"


def test_a_function_call_of_the_responses_api(provider, wrapped, recorded):
    wk, ai = wrapped()
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "weather"}
    provider.plan(json=response([{**call, "arguments": '{"city": "Köln"}', "status": "completed"}]))
    ai.responses.create(model="gpt-5", input="Why?")
    sample = recorded(wk)
    assert json.loads(sample["response"]) == [{"name": "weather", "arguments": {"city": "Köln"}}]


@pytest.mark.parametrize(
    ("end", "fields", "finish_reason", "error_type"),
    [
        ("response.completed", {}, "completed", None),
        (
            "response.incomplete",
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "max_output_tokens",
            None,
        ),
        (
            "response.failed",
            {"status": "failed", "error": {"code": "server_error", "message": "secret"}},
            "failed",
            "server_error",
        ),
    ],
)
def test_a_stream_of_the_responses_api(
    provider, wrapped, recorded, end, fields, finish_reason, error_type
):
    wk, ai = wrapped()
    provider.plan(events=events(end, **fields))
    stream = ai.responses.create(model="gpt-5", input="Why?", stream=True)
    assert [event.type for event in stream][-1] == end
    sample = recorded(wk)
    assert (sample["response"], sample["finish_reason"]) == ("Because.", finish_reason)
    assert sample["error_type"] == error_type
    assert sample["output_tokens"] == 5
    assert 0 < sample["attributes"]["time_to_first_token_ms"] <= sample["latency_ms"]


def test_the_stream_helper_of_the_responses_api(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=events())
    with ai.responses.stream(model="gpt-5", input="Why?") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "Because."
    assert recorded(wk)["response"] == "Because."


def test_a_responses_stream_left_in_the_middle_keeps_what_came(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(events=[*events()[:4], "hang"])
    with ai.responses.create(model="gpt-5", input="Why?", stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    sample = recorded(wk)
    assert (sample["response"], sample["model"]) == ("Be", "gpt-5-2026-01-01")
    assert sample["attributes"]["response_id"] == "resp_1"
    assert sample["attributes"]["stream_abandoned"] is True


def test_the_async_client_likewise(provider, wrapped, server):
    wk, ai = wrapped(openai.AsyncOpenAI)
    provider.plan(json=completion())
    provider.plan(events=CHUNKS)
    provider.plan(events=CHUNKS)
    provider.plan(json=response())
    provider.plan(json={"error": {"message": "no"}}, status=429)

    async def main():
        completions = ai.chat.completions
        await completions.create(model="m", messages=MESSAGES)
        stream = await completions.create(model="m", messages=MESSAGES, stream=True)
        assert isinstance(stream, openai.AsyncStream)
        assert len([piece async for piece in stream]) == 5
        async with completions.stream(model="m", messages=MESSAGES) as helper:
            await helper.get_final_completion()
        await ai.responses.create(model="m", input="Why?")
        with pytest.raises(openai.RateLimitError):
            await completions.create(model="m", messages=MESSAGES)
        await ai.close()

    asyncio.run(main())
    wk.flush()
    seen = [(s["response"], s["error_type"], s["output_tokens"]) for s in server.samples]
    assert seen == [
        ("Because.", None, 3),
        ("Because.", None, 3),
        ("Because.", None, 3),
        ("Because.", None, 5),
        (None, "RateLimitError", None),
    ]
    assert all(s["latency_ms"] > 0 for s in server.samples)


def test_a_cancelled_call_ends_the_record(provider, wrapped, recorded):
    wk, ai = wrapped(openai.AsyncOpenAI)
    provider.plan(json=completion(), hang=True)

    async def main():
        call = asyncio.create_task(ai.chat.completions.create(model="m", messages=MESSAGES))
        await asyncio.to_thread(provider.arrived.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await ai.close()

    asyncio.run(main())
    assert recorded(wk)["error_type"] == "CancelledError"


def test_a_cancelled_async_stream_keeps_what_came(provider, wrapped, recorded):
    wk, ai = wrapped(openai.AsyncOpenAI)
    provider.plan(events=[*CHUNKS[:2], "hang"])

    async def main():
        seen = asyncio.Event()

        async def consume():
            async for piece in await ai.chat.completions.create(
                model="m", messages=MESSAGES, stream=True
            ):
                if piece.choices[0].delta.content:
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


def test_an_async_stream_that_is_closed_is_recorded(provider, wrapped, recorded):
    wk, ai = wrapped(openai.AsyncOpenAI)
    provider.plan(events=[*CHUNKS[:2], "hang"])

    async def main():
        create = ai.chat.completions.create
        async with await create(model="m", messages=MESSAGES, stream=True) as stream:
            async for piece in stream:
                if piece.choices[0].delta.content:
                    break
        await ai.close()

    asyncio.run(main())
    sample = recorded(wk)
    assert (sample["response"], sample["outcome"]) == ("Be", "ok")
    assert sample["attributes"]["stream_abandoned"] is True


def test_the_wrapped_client_is_like_the_original_which_stays_as_it_was(
    provider, client, server, made
):
    wk = client()
    original = made(openai.OpenAI)
    before = original.chat.completions
    state = dict(vars(original))
    ai = wk.wrap(original, task="answer")
    assert isinstance(ai, openai.OpenAI)
    assert type(ai).__name__ == "OpenAI"
    assert (ai.api_key, ai.max_retries, ai.base_url) == ("x", 0, original.base_url)
    assert ai.chat.completions.create.__doc__ == before.create.__doc__
    assert vars(original) == state
    assert type(original) is openai.OpenAI
    provider.plan(json=completion())
    original.chat.completions.create(model="m", messages=MESSAGES)
    assert wk.stats().produced == 0
    for view in (ai.with_options(timeout=5), ai.copy(max_retries=1), ai.with_options().copy()):
        assert isinstance(view, openai.OpenAI)
        provider.plan(json=completion())
        view.chat.completions.create(model="m", messages=MESSAGES)
    with ai as same:
        provider.plan(json=completion())
        same.with_raw_response.chat.completions.create(model="m", messages=MESSAGES)
    wk.flush()
    assert [sample["response"] for sample in server.samples] == ["Because."] * 4


def test_embeddings_are_no_calls(provider, wrapped):
    wk, ai = wrapped()
    provider.plan(json={"object": "list", "data": [], "model": "e", "usage": {}})
    with pytest.raises(ValueError, match="No embedding data"):
        ai.embeddings.create(model="e", input="x")
    assert wk.stats().produced == 0


def test_the_beta_resources_are_recorded_too(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json=completion())
    ai.beta.chat.completions.parse(model="m", messages=MESSAGES)
    assert recorded(wk)["response"] == "Because."


def test_what_cannot_be_read_costs_only_its_field(provider, wrapped, recorded):
    wk, ai = wrapped()
    provider.plan(json={"choices": "odd", "usage": 7})
    once = (message for message in MESSAGES)
    ai.chat.completions.create(model="m", messages=once)
    assert provider.requests[0][1]["messages"] == MESSAGES
    sample = recorded(wk)
    assert (sample["prompt"], sample["response"], sample["model"]) == (None, None, "m")
    assert wk.stats().repaired["prompt"] == 1


def test_the_session_and_the_context_reach_wrapped_calls(provider, wrapped, server):
    wk, ai = wrapped(prompt_version="v1", attributes={"a": 1, "b": 1})
    for _ in range(2):
        provider.plan(json=completion())
    with (
        wk.session("s1", user_id="u1"),
        wk.context(task="judge", prompt_version="v2", attributes={"b": 2}) as context,
    ):
        ai.chat.completions.create(model="m", messages=MESSAGES)
    ai.chat.completions.create(model="m", messages=MESSAGES)
    wk.flush()
    inside, outside = server.samples
    assert (inside["task"], inside["prompt_version"]) == ("judge", "v2")
    assert (inside["session_id"], inside["user_id"]) == ("s1", "u1")
    assert (inside["attributes"]["a"], inside["attributes"]["b"]) == (1, 2)
    assert inside["sample_id"] == context.sample_id
    assert (outside["task"], outside["session_id"]) == ("answer", None)
