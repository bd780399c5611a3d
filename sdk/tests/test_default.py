import functools
import json
import logging
import os
import signal
import threading

import pytest

import watchkeeper
from watchkeeper import default


@pytest.fixture
def module(monkeypatch):
    """The module's functions as at the start of a process whose environment says nothing."""
    for name in ("URL", "API_KEY", "APP", "ENVIRONMENT", "RELEASE"):
        monkeypatch.delenv(f"WATCHKEEPER_{name}", raising=False)
    state = default._default
    monkeypatch.setattr(state, "_client", None)
    monkeypatch.setattr(state, "_has_told", False)
    yield watchkeeper
    if state._client is not None:
        state._client.shutdown(0.5)


def lines(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "watchkeeper"]


class Completions:
    def create(self, **arguments):
        return {"id": "1", "model": "m", "choices": [{"message": {"content": "because"}}]}


class Chat:
    def __init__(self):
        self.completions = Completions()


class Provider:
    @functools.cached_property
    def chat(self):
        return Chat()


def use_everything(module):
    """Everything that an app may do; what is defined here is defined before `init()`."""

    @module.observe(task="observed")
    def answer(question):
        module.current_call().usage(output_tokens=1)
        return question

    ai = module.wrap(Provider(), task="wrapped")

    def use():
        with module.session("s1"):
            module.record(task="recorded", prompt="why")
            assert answer("why") == "why"
            assert ai.chat.completions.create(model="m", messages=[])["id"] == "1"
            with module.call(task="called") as call:
                call.response = "because"
        with module.context(task="judged"):
            ai.chat.completions.create(model="m", messages=[])
        module.signal(call.sample_id, "thumbs", 1)

    return use


def test_the_functions_of_the_module_use_the_client_that_init_made(server, module):
    use = use_everything(module)
    module.init(server.url, "wk_secret", app="support", environment="staging", flush_interval=60.0)
    use()
    assert module.flush().complete
    tasks = {sample["task"]: sample["session_id"] for sample in server.samples}
    assert tasks == {
        **dict.fromkeys(("recorded", "observed", "wrapped", "called"), "s1"),
        "judged": None,
    }
    assert {sample["environment"] for sample in server.samples} == {"staging"}
    assert module.stats().stored == 5
    assert module.stats().signals.stored == 1
    assert module.shutdown().complete


def test_the_environment_is_enough(server, module, monkeypatch, caplog):
    stated = {"URL": server.url, "API_KEY": "wk_secret", "APP": "support", "RELEASE": "r7"}
    for name, value in stated.items():
        monkeypatch.setenv(f"WATCHKEEPER_{name}", value)
    module.record(task="t")
    assert module.flush().complete
    [(_, headers, body)] = server.requests
    assert headers["Authorization"] == "Bearer wk_secret"
    assert (body["app"], body["samples"][0]["release"]) == ("support", "r7")
    assert lines(caplog) == []


def test_arguments_go_before_the_environment(module, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_APP", "from the environment")
    monkeypatch.setenv("WATCHKEEPER_ENVIRONMENT", "staging")
    wk = module.init("http://127.0.0.1:1", "wk_x", app="given", exit_timeout=0.1)
    assert repr(wk) == "Watchkeeper('http://127.0.0.1:1', app='given', environment='staging')"


def test_without_any_configuration_nothing_happens_and_the_log_says_so_once(module, caplog):
    caplog.set_level(logging.DEBUG, logger="watchkeeper")
    use = use_everything(module)
    use()
    use()
    module.init()
    use()
    assert module.flush().complete
    assert module.stats().produced == 0
    assert module.shutdown().complete
    [line] = lines(caplog)
    assert "missing: url, api_key, app" in line


def test_a_wrong_environment_fails_no_app_and_a_wrong_argument_is_seen(module, monkeypatch, caplog):
    for name, value in {"URL": "ftp://x", "API_KEY": "wk_secret", "APP": "a"}.items():
        monkeypatch.setenv(f"WATCHKEEPER_{name}", value)
    module.record(task="t")
    [line] = lines(caplog)
    assert "url must begin with" in line
    assert "wk_secret" not in line
    with pytest.raises(ValueError, match="url must begin with"):
        module.init()


def test_a_second_init_ends_the_first_client(server, module):
    first = module.init(server.url, "wk_secret", app="one", flush_interval=60.0)
    module.record(task="first")
    second = module.init(server.url, "wk_secret", app="two", flush_interval=60.0)
    module.record(task="second")
    module.flush()
    sent = [(body["app"], [s["task"] for s in body["samples"]]) for _, _, body in server.requests]
    assert [entry for entry in sent if entry[1]] == [("one", ["first"]), ("two", ["second"])]
    assert (first.stats().stored, second.stats().stored) == (1, 1)


def test_calls_can_be_switched_off(module, caplog):
    module.init(enabled=False)
    module.record(task="t")
    assert module.stats().produced == 0
    assert lines(caplog) == []


class SlowPath:
    """A path that `init()` waits for in the middle."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.asked = threading.Event()
        self.released = threading.Event()

    def __fspath__(self):
        self.asked.set()
        assert self.released.wait(20)
        return self.folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_an_init_leaves_the_child_able_to_record(
    server, module, monkeypatch, tmp_path
):
    for name, value in {"URL": server.url, "API_KEY": "wk_secret", "APP": "support"}.items():
        monkeypatch.setenv(f"WATCHKEEPER_{name}", value)
    path = SlowPath(tmp_path)
    initialising = threading.Thread(target=lambda: module.init(spool=path))
    initialising.start()
    assert path.asked.wait(10)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(15)  # ends the child, should it wait for the lock of its parent's thread
            module.record(task="child")
            complete = module.flush().complete
            os.write(write_end, json.dumps([complete, module.stats().stored]).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        told = pipe.read()
    path.released.set()
    initialising.join(10)
    assert os.waitpid(child, 0)[1] == 0
    assert json.loads(told) == [True, 1]
    module.record(task="parent")
    assert module.flush().complete
    assert sorted(sample["task"] for sample in server.samples) == ["child", "parent"]
