"""Event loops, greenlets, and servers that fork their workers."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest

from watchkeeper import Watchkeeper


def test_an_event_loop_with_many_tasks_is_not_held_up(server, client, balanced):
    wk = client(flush_at=50)

    @wk.observe(task="answer")
    async def answer(question):
        await asyncio.sleep(0)
        return question.upper()

    async def serve():
        latest = asyncio.get_running_loop().time()
        longest = 0.0

        async def tick():
            nonlocal latest, longest
            while True:
                now = asyncio.get_running_loop().time()
                longest, latest = max(longest, now - latest), now
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        answers = await asyncio.gather(*(answer(f"q{n}") for n in range(2_000)))
        for _ in range(500):
            wk.record(task="plain")
            await asyncio.sleep(0)
        result = await asyncio.to_thread(wk.flush)
        ticking.cancel()
        return answers, result, longest

    server.plans.append("hang")  # the first batch: the loop must not notice
    released = asyncio.run(_release_soon(server, serve))
    answers, result, longest = released
    assert answers[7] == "Q7"
    assert result.complete
    assert longest < 2.0
    assert balanced(wk).stored == 2_500


async def _release_soon(server, serve):
    serving = asyncio.create_task(serve())
    await asyncio.to_thread(server.wait_for, lambda: server.requests)
    server.released.set()
    return await serving


def run(script, server, folder):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), server.url, str(folder)],
        check=True,
        timeout=30,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("spool", ["None", "sys.argv[2]"])
def test_everything_works_on_greenlets(server, tmp_path, spool):
    pytest.importorskip("gevent")
    server.plans.extend([500, "close"])
    done = run(
        f"""
        from gevent import monkey
        monkey.patch_all()
        import gevent, sys, threading, time
        from watchkeeper import Backoff, Watchkeeper

        wk = Watchkeeper(
            sys.argv[1], "wk_x", app="a", flush_at=20, spool={spool},
            backoff=Backoff(0.01, 0.02),
        )

        def work(name):
            for number in range(50):
                wk.record(task="t", prompt=f"{{name}} {{number}}")
                gevent.sleep(0)

        beats = []
        def beat():
            while True:
                beats.append(time.monotonic())
                gevent.sleep(0.001)

        beating = gevent.spawn(beat)
        gevent.joinall([gevent.spawn(work, n) for n in range(20)])
        assert wk.flush().complete
        assert max(b - a for a, b in zip(beats, beats[1:])) < 2.0
        assert wk.stats().stored == 1_000
        wk.record(task="t")
        assert wk.shutdown().complete
        beating.kill()
        last = Watchkeeper(sys.argv[1], "wk_x", app="a", flush_interval=60)
        last.record(task="at exit")
        print("end")
        """,
        server,
        tmp_path,
    )
    assert done.stdout == "end\n"
    assert len(server.samples) == server.counted == 1_002
    assert list(tmp_path.iterdir()) == []


def test_a_greenlet_server_that_forks(server, tmp_path):
    pytest.importorskip("gevent")
    run(
        """
        from gevent import monkey
        monkey.patch_all()
        import os, sys
        from watchkeeper import Watchkeeper

        wk = Watchkeeper(sys.argv[1], "wk_x", app="a", spool=sys.argv[2])
        wk.record(task="parent")
        assert wk.flush().complete
        child = os.fork()
        wk.record(task="child" if child == 0 else "parent")
        assert wk.flush().complete
        assert wk.shutdown().complete
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
        server,
        tmp_path,
    )
    assert sorted(sample["task"] for sample in server.samples) == ["child", "parent", "parent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_workers_forked_from_a_loaded_app_each_send_their_own(server, tmp_path):
    """As gunicorn with preload_app and uwsgi do; the parent forks in the middle of its own work."""
    run(
        """
        import os, sys
        from watchkeeper import Watchkeeper

        wk = Watchkeeper(sys.argv[1], "wk_x", app="a", flush_at=5, spool=sys.argv[2])
        workers = []
        for _ in range(8):
            for _ in range(50):
                wk.record(task="master")
            worker = os.fork()
            if worker == 0:
                for _ in range(100):
                    wk.record(task="worker")
                stats = wk.shutdown()
                os._exit(0 if wk.stats().stored == 100 else 1)
            workers.append(worker)
        assert [os.waitpid(worker, 0)[1] for worker in workers] == [0] * 8
        assert wk.shutdown().complete
        assert wk.stats().stored == 400, wk.stats()
        """,
        server,
        tmp_path,
    )
    tasks = [sample["task"] for sample in server.samples]
    assert (tasks.count("master"), tasks.count("worker")) == (400, 800)
    assert server.counted == 1_200
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_the_process_keeps_its_limit_and_the_spool_the_rest(server, tmp_path):
    server.always = "hang"
    done = run(
        """
        import atexit, sys, time
        from watchkeeper import Watchkeeper

        started = []
        atexit.register(lambda: print(time.monotonic() - started[0]))
        wk = Watchkeeper(sys.argv[1], "wk_x", app="a", exit_timeout=0.2, spool=sys.argv[2])
        atexit.register(lambda: started.append(time.monotonic()))
        for _ in range(3_000):
            wk.record(task="t")
        """,
        server,
        tmp_path,
    )
    assert float(done.stdout) < 3.0
    assert "could not be sent" not in done.stderr
    server.always = None
    server.released.set()
    with Watchkeeper(server.url, "wk_x", app="a", spool=tmp_path) as wk:
        wk.record(task="t")
        wk.flush()
        server.wait_for(lambda: len(server.samples) == 3_001)
    assert server.counted == 3_001
