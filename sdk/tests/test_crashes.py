"""An app that is killed loses nothing that was in a batch, and sends nothing twice."""

import json
import random
import subprocess
import sys
import textwrap
import threading

import pytest

# Each line on its standard output is a batch that its spool holds: written out before that line.
APP = textwrap.dedent(
    """
    import json, os, sys, threading
    from watchkeeper import Backoff, Watchkeeper
    from watchkeeper.compression import decompressed
    from watchkeeper.spool import Spool

    save = Spool.save

    def saving(spool, batch):
        assert save(spool, batch)
        content = json.loads(decompressed(batch.body))
        kept = [sample["sample_id"] for sample in content["samples"]]
        line = json.dumps([batch.batch_id, kept, batch.calls]) + "\\n"
        os.write(1, line.encode())
        return True

    Spool.save = saving
    url, folder, calls = sys.argv[1:]
    wk = Watchkeeper(
        url, "wk_x", app="a", spool=folder, flush_at=20, flush_interval=0.05, exit_timeout=0.2,
        backoff=Backoff(0.001, 0.01),
    )
    pause = threading.Event()
    for number in range(int(calls)):
        wk.record(task="t", prompt="x" * 300)
        if number % 20 == 0:
            pause.wait(0.001)
    """
)
LAST_APP = APP + textwrap.dedent(
    """
    assert wk.flush(30).complete
    while sum(name.endswith(".db") for name in os.listdir(folder)) > 1 or wk.stats().adopted.queued:
        wk.flush(0.05)  # a moment: some files of the dead are left, if only empty ones
    wk.shutdown()
    """
)


class App:
    """One process of it, and what it said it had put into its spool."""

    def __init__(self, script, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.said = []
        self._heard = threading.Condition()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self):
        for line in self._process.stdout:
            if line.endswith("\n"):  # a line cut short by the kill says nothing
                with self._heard:
                    self.said.append(json.loads(line))
                    self._heard.notify_all()

    def wait_for_batches(self, number):
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.said) >= number, 20)

    def kill(self):
        self._process.kill()
        return self.wait()

    def wait(self):
        status = self._process.wait(40)
        self._listener.join(20)
        self._process.stdout.close()
        return status


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_minus_nine_under_load_loses_no_batch_and_sends_none_twice(server, tmp_path, seed):
    chance = random.Random(seed)
    said = []
    for _ in range(3):
        server.plans.clear()
        server.plans.extend(chance.choices([202, 503, 500, "close"], [4, 3, 1, 2], k=500))
        pair = [App(APP, server.url, tmp_path, 1_000_000) for _ in range(2)]  # share the directory
        for app in pair:
            app.wait_for_batches(chance.randrange(5, 25))
            assert app.kill() == -9
            said += app.said
    server.plans.clear()
    last = App(LAST_APP, server.url, tmp_path, 10)
    assert last.wait() == 0
    assert {batch_id for batch_id, _, _ in said} <= server.batches.keys()
    assert list(tmp_path.iterdir()) == []
    for batch_id, kept, calls in said + last.said:
        stored = server.batches[batch_id]
        assert [sample["sample_id"] for sample in stored["samples"]] == kept
        assert sum(row["calls"] for row in stored["call_counts"]) == calls
    ids = [sample["sample_id"] for sample in server.samples]
    assert len(ids) == len(set(ids)) == server.counted
    assert all(len(versions) == 1 for versions in server.versions.values())


def test_a_restart_during_an_outage_loses_nothing_at_all(server, tmp_path):
    server.always = 503
    for _ in range(3):
        app = App(APP, server.url, tmp_path, 500)
        assert app.wait() == 0  # its end comes after the time limit of atexit
    server.always = None
    last = App(LAST_APP, server.url, tmp_path, 1)
    assert last.wait() == 0
    assert len(server.samples) == server.counted == 1_501
