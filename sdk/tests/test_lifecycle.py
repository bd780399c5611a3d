"""Forks, and the end of the process."""

import json
import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_sends_its_own_calls_and_none_of_the_parents(server, client, balanced):
    wk = client()
    wk.record(task="parent")
    wk.flush()  # the thread runs, and its connection is open
    wk.record(task="parent")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            empty = wk.stats()
            wk.record(task="child")
            complete = wk.flush().complete
            stats = wk.stats()
            numbers = [empty.produced, stats.produced, stats.stored, complete]
            os.write(write_end, json.dumps(numbers).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        assert json.load(pipe) == [0, 1, 1, True]
    os.waitpid(child, 0)
    assert wk.flush().complete
    assert balanced(wk).stored == 2
    assert sorted(s["task"] for s in server.samples) == ["child", "parent", "parent"]
    assert server.counted == 3


def record_one(wk):
    wk.record(task="worker")


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_multiprocessing_worker_sends_the_rest_when_it_ends(server, client):
    wk = client()
    worker = multiprocessing.get_context("fork").Process(target=record_one, args=(wk,))
    worker.start()
    worker.join(10)
    assert worker.exitcode == 0
    assert [s["task"] for s in server.samples] == ["worker"]


def run_app(server, body):
    script = "from watchkeeper import Watchkeeper\n" + textwrap.dedent(body)
    argument = [sys.executable, "-c", script, server.url]
    return subprocess.run(argument, check=True, timeout=20, capture_output=True, text=True)


def test_the_end_of_the_process_sends_the_rest(server):
    run_app(
        server,
        """
        import sys
        wk = Watchkeeper(sys.argv[1], "wk_x", app="a", flush_interval=60)
        for _ in range(50):
            wk.record(task="t")
        """,
    )
    assert len(server.samples) == server.counted == 50


def test_the_end_of_the_process_does_not_wait_for_a_server_that_hangs(server):
    server.plans.append("hang")
    run = run_app(
        server,
        """
        import sys, time, atexit
        started = []
        atexit.register(lambda: print(time.monotonic() - started[0]))
        wk = Watchkeeper(sys.argv[1], "wk_x", app="a", exit_timeout=0.2)
        atexit.register(lambda: started.append(time.monotonic()))
        wk.record(task="t")
        """,
    )
    assert 0.1 < float(run.stdout) < 3.0
    # At most one line that the batch is not stored yet; then what was lost, which is always said.
    *before, last = run.stderr.splitlines()
    assert len(before) <= 1
    assert last == "ended; calls that could not be sent: 1"
