import logging
import math
import threading

import pytest

from watchkeeper import Watchkeeper

URL = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": ""},
        {"url": "ftp://host"},
        {"url": "no address"},
        {"url": None},
        {"url": "http://user:password@host"},
        {"api_key": ""},
        {"api_key": "wk_\nx"},
        {"api_key": None},
        {"app": ""},
        {"environment": ""},
        {"release": None},
        {"release": "x" * 201},
        {"sample_rate": 1.1},
        {"sample_rate": -0.1},
        {"sample_rate": math.nan},
        {"sample_rate": 1e-9},
        {"sample_rate": True},
        {"sample_rate": "1"},
        {"sample_rate": {"answer": 2.0}},
        {"mask": "text"},
        {"mask": [None]},
        {"flush_at": 0},
        {"flush_interval": 0},
        {"max_queue": 0},
        {"timeout": math.inf},
        {"exit_timeout": -1},
        {"capture_input": "no"},
        {"capture_output": None},
    ],
)
def test_misuse_is_seen_at_construction(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)) + "|Failed to parse"):
        Watchkeeper(**{"url": URL, "api_key": "wk_x", "app": "a", **wrong})


def test_an_unreachable_server_is_no_reason_to_raise():
    with Watchkeeper("http://127.0.0.1:1", "wk_x", app="a", exit_timeout=0.1) as wk:
        wk.record(task="t")
        result = wk.shutdown(0.2)
    assert not result.complete
    assert result.dropped == {"shutdown": 1}
    assert wk.stats().uncounted == {"shutdown": 1}


def test_a_wrong_argument_of_a_call_is_seen_at_once():
    wk = Watchkeeper(URL, "wk_x", app="a", enabled=False)
    with pytest.raises(TypeError, match="promt"):
        wk.record(task="t", promt="p")


def test_repr_hides_the_key():
    wk = Watchkeeper(URL, "wk_secret", app="a", enabled=False)
    assert repr(wk) == f"Watchkeeper({URL!r}, app='a', environment='production')"
    assert "wk_secret" not in repr(vars(wk))


def test_a_disabled_client_does_nothing_and_needs_no_address():
    threads = threading.active_count()
    with Watchkeeper("", "", app="a", enabled=False) as wk:
        wk.record(task="t", prompt="p")

        def answer():
            return "x"

        assert wk.observe(task="t")(answer) is answer
        assert wk.flush().complete
        assert wk.stats().produced == 0
    wk.record(task="t")
    assert wk.stats().produced == 0
    assert threading.active_count() == threads


def test_leaving_the_context_sends_the_rest(server, client):
    with client() as wk:
        wk.record(task="t")
    assert len(server.samples) == 1


def test_calls_after_shutdown_are_counted_as_dropped(client, balanced):
    wk = client()
    wk.record(task="t")
    wk.shutdown()
    for _ in range(3):
        wk.record(task="t")
    stats = balanced(wk)
    assert (stats.produced, stats.stored, stats.queued) == (4, 1, 0)
    assert stats.dropped == stats.uncounted == {"shutdown": 3}
    assert wk.flush().complete


def test_a_full_batch_leaves_by_itself(server, client):
    wk = client(flush_at=10)
    for _ in range(10):
        wk.record(task="t")
    server.wait_for(lambda: len(server.samples) == 10)
    assert len(server.requests) == 1


def test_a_part_of_a_batch_leaves_after_the_interval(server, client):
    wk = client(flush_interval=0.05)
    wk.record(task="t")
    server.wait_for(lambda: len(server.samples) == 1)
    assert server.samples[0]["task"] == "t"


def test_flush_without_calls_has_nothing_to_wait_for(server, client):
    result = client().flush()
    assert result.complete
    assert server.requests == []


def test_flush_tells_what_it_achieved(server, client):
    wk = client()
    for task in ("a", "b", ""):
        wk.record(task=task)
    result = wk.flush()
    assert (result.complete, result.stored, result.queued) == (True, 2, 0)
    assert result.dropped == {"no_task": 1}


def test_flush_ends_although_calls_keep_coming(server, client):
    wk = client(max_queue=1_000)
    stop = threading.Event()

    def keep_calling():
        while not stop.is_set():
            wk.record(task="t", session_id="s")
            stop.wait(0.0005)

    caller = threading.Thread(target=keep_calling)
    caller.start()
    try:
        assert all(wk.flush().complete for _ in range(5))
    finally:
        stop.set()
        caller.join(10)


def test_troubles_are_logged_seldom_and_without_secrets(server, client, caplog):
    caplog.set_level(logging.DEBUG, logger="watchkeeper")
    server.plans.extend([500, 500, 500, 401])
    wk = client()
    wk.record(task="t", prompt="my prompt", response="my answer", error=ValueError("my error"))
    wk.flush()
    lines = [r.getMessage() for r in caplog.records if r.name == "watchkeeper"]
    assert len(lines) == 2  # of three retries one; and the refusal
    assert "HTTP 500" in lines[0]
    assert "HTTP 401" in lines[1]
    assert not any(secret in "".join(lines) for secret in ("my ", "wk_secret"))


def test_no_thread_to_be_had_costs_the_app_nothing(server, client, balanced, monkeypatch):
    wk = client()

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            wk.record(task="t")
        assert balanced(wk).queued == 3
        assert not wk.flush(0.1).complete
    assert wk.flush().complete
    assert len(server.samples) == 3
