import asyncio
import inspect

import pytest


def only(server):
    [sample] = server.samples
    return sample


def test_the_first_argument_and_the_return_value_are_recorded(server, client):
    wk = client()

    @wk.observe(task="answer", model="m", prompt_version="v", attributes={"k": 1})
    def answer(question, tone="kind"):
        """Answers."""
        return question.upper()

    assert answer("why", tone="rude") == "WHY"
    assert answer.__name__ == "answer"
    assert answer.__doc__ == "Answers."
    wk.flush()
    sample = only(server)
    assert (sample["prompt"], sample["response"], sample["outcome"]) == ("why", "WHY", "ok")
    assert (sample["model"], sample["prompt_version"]) == ("m", "v")
    assert sample["attributes"] == {"k": 1}
    assert 0 <= sample["latency_ms"] < 10_000


def test_self_is_not_the_prompt_and_keywords_count(server, client):
    wk = client()

    class Bot:
        @wk.observe(task="answer")
        def answer(self, question="default"):
            return 42

    Bot().answer("positional")
    Bot().answer(question="keyword")
    Bot().answer()
    wk.flush()
    assert [s["prompt"] for s in server.samples] == ["positional", "keyword", "default"]
    assert server.samples[0]["response"] == "42"


def test_prompt_response_and_session_can_be_picked(server, client):
    wk = client()

    @wk.observe(
        task="answer",
        prompt=lambda context, question: question,
        response=lambda result: result["text"],
        session_id=lambda context, question: context["session"],
        user_id="u1",
    )
    def answer(context, question):
        return {"text": "because", "usage": 3}

    assert answer({"session": "s9"}, question="why") == {"text": "because", "usage": 3}
    wk.flush()
    sample = only(server)
    assert (sample["prompt"], sample["response"]) == ("why", "because")
    assert (sample["session_id"], sample["user_id"]) == ("s9", "u1")


def test_a_picker_that_raises_costs_only_its_field(server, client, balanced):
    wk = client()

    @wk.observe(task="answer", prompt=lambda: 1 / 0, response=lambda result: result["text"])
    def answer(question):
        return "plain"

    assert answer("why") == "plain"
    wk.flush()
    sample = only(server)
    assert sample["prompt"] is None
    assert sample["response"] is None
    assert balanced(wk).repaired == {"prompt": 1, "response": 1}


@pytest.mark.parametrize("error", [ValueError("boom"), KeyboardInterrupt(), SystemExit(2)])
def test_an_exception_is_recorded_and_raised_on_unchanged(server, client, error):
    wk = client(sample_rate=0.0)

    @wk.observe(task="answer")
    def answer(question):
        raise error

    with pytest.raises(type(error)) as caught:
        answer("why")
    assert caught.value is error
    assert error.__cause__ is None
    assert error.__context__ is None
    wk.flush()
    sample = only(server)
    assert (sample["outcome"], sample["error_type"]) == ("error", type(error).__name__)
    assert (sample["prompt"], sample["response"]) == ("why", None)
    assert sample["keep_probability"] == 1.0


def test_coroutine_functions_stay_coroutine_functions(server, client):
    wk = client()

    @wk.observe(task="answer")
    async def answer(question):
        await asyncio.sleep(0)
        if question == "bad":
            raise LookupError(question)
        return question * 2

    async def main():
        results = await asyncio.gather(answer("a"), answer("b"), answer("bad"), return_exceptions=1)
        task = asyncio.create_task(answer("cancelled"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return results

    assert inspect.iscoroutinefunction(answer)
    first, second, error = asyncio.run(main())
    assert (first, second) == ("aa", "bb")
    assert isinstance(error, LookupError)
    wk.flush()
    seen = sorted((s["prompt"], s["response"], s["error_type"]) for s in server.samples)
    assert seen == [("a", "aa", None), ("b", "bb", None), ("bad", None, "LookupError")]


def test_a_generator_is_recorded_when_it_ends_with_its_texts_joined(server, client):
    wk = client()

    @wk.observe(task="stream")
    def stream(question):
        got = yield "be"
        yield f"cause{got or ''}"
        return "done"

    def consume():
        result = yield from stream("why")
        assert result == "done"

    assert inspect.isgeneratorfunction(stream)
    assert list(consume()) == ["be", "cause"]
    talk = stream("how")
    assert next(talk) == "be"
    assert talk.send("!") == "cause!"
    talk.close()  # the consumer has enough
    stream("never started")
    wk.flush()
    seen = [(s["prompt"], s["response"], s["outcome"]) for s in server.samples]
    assert seen == [("why", "because", "ok"), ("how", "because!", "ok")]


def test_a_generator_that_fails_keeps_what_it_yielded(server, client):
    wk = client()

    @wk.observe(task="stream")
    def stream(question):
        yield "half"
        raise TimeoutError

    with pytest.raises(TimeoutError):
        list(stream("why"))
    wk.flush()
    sample = only(server)
    assert (sample["response"], sample["error_type"]) == ("half", "TimeoutError")


def test_exceptions_thrown_into_a_generator_reach_it(server, client):
    wk = client()

    @wk.observe(task="stream")
    def stream(question):
        try:
            yield "a"
        except KeyError:
            yield "b"

    talk = stream("why")
    next(talk)
    assert talk.throw(KeyError("k")) == "b"
    assert list(talk) == []
    wk.flush()
    assert only(server)["response"] == "ab"


def test_async_generators_likewise(server, client):
    wk = client()

    @wk.observe(task="stream", response=lambda pieces: "|".join(p["text"] for p in pieces))
    async def stream(question):
        for text in ("be", "cause"):
            yield {"text": text}
        if question == "bad":
            raise TimeoutError

    async def main():
        seen = [piece["text"] async for piece in stream("why")]
        with pytest.raises(TimeoutError):
            async for _ in stream("bad"):
                pass
        closed = stream("closed")
        await closed.__anext__()
        await closed.aclose()
        return seen

    assert inspect.isasyncgenfunction(stream)
    assert asyncio.run(main()) == ["be", "cause"]
    wk.flush()
    seen = [(s["prompt"], s["response"], s["error_type"]) for s in server.samples]
    assert seen == [
        ("why", "be|cause", None),
        ("bad", "be|cause", "TimeoutError"),
        ("closed", "be", None),
    ]


def test_an_endless_stream_is_not_kept_endlessly(server, client):
    wk = client()

    @wk.observe(task="stream")
    def stream(question):
        for _ in range(4):
            yield "x" * 100_000

    assert sum(map(len, stream("why"))) == 400_000
    wk.flush()
    sample = only(server)
    assert len(sample["response"]) == 262_144
    assert sample["attributes"]["watchkeeper.truncated"] == "response"


def test_without_a_task_the_function_names_it(server, client):
    wk = client()

    @wk.observe()
    def summarise(text):
        return text

    summarise("a text")
    wk.flush()
    assert [sample["task"] for sample in server.samples] == ["summarise"]
