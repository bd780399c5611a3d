"""Clients of the shape of the known ones, as other providers and the tests of apps have them."""

import asyncio
import functools
import gc
import logging
import os
import subprocess
import sys
from types import SimpleNamespace as Thing

import pytest

from watchkeeper import masks

ASKED = {"model": "m", "messages": [{"role": "user", "content": "why"}]}


def answered(text="because"):
    choice = Thing(index=0, message=Thing(content=text), finish_reason="stop")
    return Thing(id="1", model="m", choices=[choice], usage=None)


def pieces(*texts):
    return [{"id": "1", "choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]


class Client:
    """Its resources are plain attributes, as in the first packages of OpenAI."""

    def __init__(self, create):
        self.chat = Thing(completions=Thing(create=create))


class LazyClient:
    def __init__(self, create):
        self._create = create

    @functools.cached_property
    def chat(self):
        return Thing(completions=Thing(create=self._create), owner=self)


class SharingClient:
    """Whose resources belong to the class."""

    chat = Thing(completions=Thing(create=lambda **asked: answered()))

    def __init__(self, create):
        pass


@pytest.mark.parametrize("kind", [Client, LazyClient, SharingClient])
def test_the_resources_of_the_original_stay_its_own(client, recorded, kind):
    wk = client()
    original = kind(lambda **asked: answered())
    create = original.chat.completions.create
    ai = wk.wrap(original, task="t")
    assert isinstance(ai, kind)
    assert ai.chat.completions.create(**ASKED).choices[0].message.content == "because"
    assert original.chat.completions.create is create
    original.chat.completions.create(**ASKED)
    sample = recorded(wk)
    assert (sample["response"], sample["finish_reason"]) == ("because", "stop")
    if kind is LazyClient:
        assert ai.chat.owner is ai


def test_any_iterator_is_a_stream(client, server):
    wk = client()
    ai = wk.wrap(Client(lambda **asked: iter(pieces("be", "cause"))), task="t")
    assert len(list(ai.chat.completions.create(**ASKED, stream=True))) == 2
    left = ai.chat.completions.create(**ASKED, stream=True)
    next(left)
    del left
    gc.collect()
    wk.flush()
    assert [sample["response"] for sample in server.samples] == ["because", "be"]


def test_any_async_iterator_likewise(client, recorded):
    wk = client()

    async def create(**asked):
        async def stream():
            for piece in pieces("be", "cause"):
                yield piece

        return stream()

    async def main():
        ai = wk.wrap(Client(create), task="t")
        return [piece async for piece in await ai.chat.completions.create(**ASKED, stream=True)]

    assert len(asyncio.run(main())) == 2
    assert recorded(wk)["response"] == "because"


def test_a_finalized_stream_belongs_to_the_session_it_was_begun_in(client, recorded):
    wk = client()
    ai = wk.wrap(Client(lambda **asked: iter(pieces("be"))), task="t")
    stream = ai.chat.completions.create(**ASKED, stream=True)
    next(stream)
    with wk.session("of another user"):
        del stream
        gc.collect()
    assert recorded(wk)["session_id"] is None


def test_a_stream_that_is_still_open_when_the_process_ends_is_recorded(server):
    program = """
import sys
import watchkeeper
from types import SimpleNamespace as Thing

piece = {"id": "1", "choices": [{"index": 0, "delta": {"content": "be"}}]}
completions = Thing(create=lambda **asked: iter([piece, piece]))


class Client:
    chat = Thing(completions=completions)


wk = watchkeeper.Watchkeeper(sys.argv[1], "wk_x", app="a")
ai = wk.wrap(Client(), task="t")
stream = ai.chat.completions.create(model="m", messages=[], stream=True)
next(stream)
"""
    subprocess.run([sys.executable, "-c", program, server.url], check=True, timeout=30)
    [sample] = server.samples
    assert sample["response"] == "be"
    assert sample["attributes"]["stream_abandoned"] is True


def test_the_messages_of_a_wrapped_call_are_masked_one_by_one(client, recorded):
    wk = client(mask=masks.COMMON)
    ai = wk.wrap(Client(lambda **asked: answered("to joe@example.com")), task="t")
    ai.chat.completions.create(messages=[{"role": "user", "content": "Mail\njoe@example.com"}])
    sample = recorded(wk)
    assert sample["prompt"] == '[{"role": "user", "content": "Mail\\n[email]"}]'
    assert sample["response"] == "to [email]"


class Hostile:
    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else ZeroDivisionError(name)


@pytest.mark.parametrize("result", [None, 7, "text", {}, [], object(), Hostile(), answered(7)])
def test_whatever_comes_back_reaches_the_app_and_is_counted(client, server, result):
    wk = client()
    ai = wk.wrap(Client(lambda **asked: result), task="t")
    assert ai.chat.completions.create(**ASKED) is result
    assert ai.chat.completions.create(**ASKED, stream=True) is result
    ai.chat.completions.create()
    assert wk.flush().complete
    assert server.counted == 3
    assert wk.stats().repaired["prompt"] == 1


def test_odd_pieces_of_a_stream_pass_through(client, server):
    wk = client()
    odd = [None, 7, Hostile(), {"choices": 3}, *pieces("be")]
    ai = wk.wrap(Client(lambda **asked: iter(odd)), task="t")
    assert list(ai.chat.completions.create(**ASKED, stream=True)) == odd
    wk.flush()
    [sample] = server.samples
    assert sample["response"] == "be"
    assert wk.stats().repaired["response"] == 2


class Rigid:
    __slots__ = ()

    def create(self, **asked):
        return answered()


def test_a_resource_that_cannot_be_recorded_is_used_as_it_is(client, caplog):
    class RigidClient:
        @functools.cached_property
        def responses(self):
            return Rigid()

    wk = client()
    assert wk.wrap(RigidClient(), task="t").responses.create(model="m").id == "1"
    assert "client cannot be read (AttributeError)" in caplog.text
    assert wk.stats().produced == 0


def test_a_client_of_another_shape_is_given_back(client, caplog):
    caplog.set_level(logging.WARNING, logger="watchkeeper")
    wk = client()
    for other in (object(), Thing(embeddings=1), gc):
        assert wk.wrap(other, task="t") is other
    assert "not a known client" in caplog.text


def test_a_disabled_client_wraps_nothing(client):
    original = Client(lambda **asked: answered())
    assert client(enabled=False).wrap(original, task="t") is original


@pytest.mark.parametrize("kind", [Client, LazyClient, SharingClient])
def test_what_is_wrapped_twice_is_recorded_once_as_the_last_wrap_says(client, recorded, kind):
    wk = client()
    ai = wk.wrap(wk.wrap(kind(lambda **asked: answered()), task="first"), task="last")
    ai.chat.completions.create(**ASKED)
    assert recorded(wk)["task"] == "last"


def test_a_trace_is_stated_by_wrap_or_context(client, server):
    wk = client()
    ai = wk.wrap(Client(lambda **asked: answered()), task="t", trace_id="of-wrap")
    ai.chat.completions.create(**ASKED)
    with wk.context(trace_id="of-context"):
        ai.chat.completions.create(**ASKED)
    wk.flush()
    traces = [sample["attributes"]["trace_id"] for sample in server.samples]
    assert traces == ["of-wrap", "of-context"]


def test_a_stream_that_a_forked_child_inherits_is_the_parents_to_record(client, recorded):
    wk = client()
    ai = wk.wrap(Client(lambda **asked: iter(pieces("be", "cause"))), task="t")
    stream = ai.chat.completions.create(**ASKED, stream=True)
    next(stream)
    child = os.fork()
    if not child:
        list(stream)
        os._exit(wk.stats().produced)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    list(stream)
    assert recorded(wk)["response"] == "because"


def test_without_a_task_the_api_names_it(client, server):
    wk = client()
    ai = wk.wrap(Client(lambda **asked: answered()))
    ai.chat.completions.create(**ASKED)
    with wk.context(task="stated"):
        ai.chat.completions.create(**ASKED)
    wk.flush()
    assert [sample["task"] for sample in server.samples] == ["chat", "stated"]
