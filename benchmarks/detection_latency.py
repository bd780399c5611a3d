"""From the sample that a rule fires by to its alert in the database, at 500 samples a second.

    python -m benchmarks.detection_latency [PROBES]

The API and a worker run as in production, on one embedded PostgreSQL with its usual durability. An
app of some tasks, each in a process of its own, posts what the SDK would: of each task a batch
every two seconds, compressed, over real HTTP, in real time. Each task has an SLO on an evaluator
that compares answers; one after the other begins to answer wrongly, at no regular times.

Each task is a probe. Its clock starts when the post begins of the first batch after which the rule
fires, by the same rule, on all that was posted until then; it stops when the alert is there to be
read by anybody else, which is looked for each 20 milliseconds. Between lie the commit of the batch,
the job that scores it, and the next turn of the evaluation.
"""

import gzip
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
from sqlalchemy import Engine, create_engine

from benchmarks.api_process import api_running, worker_running
from service.domain.alert_windows import propose_catalogue
from service.domain.blindness import WindowReading
from service.domain.burn_rate import judge_slo
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.flows.create_api_key import create_api_key
from service.store.alerts import list_firing_alerts
from service.store.apps import put_app
from service.store.embedded import EmbeddedServer
from service.store.schema import migrate
from service.store.slos import put_slo, read_states
from service.store.tasks import EvaluatorChoice, StoredTask, put_task

PROBES = 24
RATE = 500  # samples a second
FLUSHED_EVERY_S = 2.0  # the SDK's `flush_interval`
PAUSES_S = (1.5, 3.5)  # between two tasks that turn bad, drawn evenly
LIMIT_S = 30.0  # of one detection
LOOKED_EVERY_S = 0.02
OBJECTIVE, WINDOW = 0.99, timedelta(days=30)
ANSWERS = EvaluatorChoice("expected_answer", {"pattern": r"\[(yes|no)\]"}, None)
_TEXT = "Because no smaller number than itself, and larger than one, divides it. " * 14
_random = random.Random(7)


@dataclass
class Probe:
    """One task, and what the app has posted of it."""

    slo: Slo
    is_bad: bool = False
    bad: int = 0
    total: int = 0
    posted_s: float = 0.0
    """When the post began by which the rule fires; 0: not yet."""
    seen_s: float = 0.0
    """When its alert was there; 0: not yet."""

    def fires(self, now: datetime) -> bool:
        """By all that was posted: the run is shorter than any window."""
        reading = WindowReading(Tally.from_counts(self.total, self.bad), newest_at=now)
        readings = dict.fromkeys(self.slo.window_lengths, reading)
        return judge_slo(self.slo, readings, now).status == "firing"


@dataclass
class App:
    """Posts without end, one task after the other, in a thread of its own."""

    client: httpx.Client
    probes: Sequence[Probe]
    posts: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def run(self) -> None:
        """Until it is told to stop; whoever waits for it looks at `error`."""
        begin, pause = time.perf_counter(), FLUSHED_EVERY_S / len(self.probes)
        try:
            while not self.stopping.wait(begin + self.posts * pause - time.perf_counter()):
                self._post(self.probes[self.posts % len(self.probes)])
                self.posts += 1
        except Exception as error:
            self.error = error

    @property
    def batch(self) -> int:
        """Samples in each."""
        return round(RATE * FLUSHED_EVERY_S / len(self.probes))

    def _post(self, probe: Probe) -> None:
        now = datetime.now(UTC)
        body = gzip.compress(_body(probe, self.batch, now), 1)
        probe.total += self.batch
        probe.bad += self.batch if probe.is_bad else 0
        fires = probe.is_bad and not probe.posted_s and probe.fires(now)
        began_s = time.perf_counter()
        if fires:
            probe.posted_s = began_s
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = self.client.post("/v1/samples", content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        assert answer.json()["accepted"] == self.batch, answer.text


def measure(count: int) -> dict[str, float]:
    """How long the detection of so many probes took."""
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-benchmark-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        with EmbeddedServer(home) as server:
            engine = create_engine(server.url)
            migrate(engine)
            probes = [Probe(_slo(f"task-{number}")) for number in range(count)]
            key = _declare(engine, probes)
            with (
                api_running(server.url, processes=os.cpu_count() or 1) as (port, _),
                worker_running(server.url),
                _app_running(port, key, probes) as app,
            ):
                rate = _turn_bad(engine, app)
            engine.dispose()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    took_s = sorted(probe.seen_s - probe.posted_s for probe in probes)
    return {
        "p50_s": round(statistics.median(took_s), 2),
        "p95_s": round(statistics.quantiles(took_s, n=20, method="inclusive")[18], 2),
        "max_s": round(took_s[-1], 2),
        "samples_per_s": round(rate),
        "probes": count,
    }


def _slo(task: str) -> Slo:
    indicator = Indicator("quality", task, "production", ANSWERS.name)
    tiers = propose_catalogue(OBJECTIVE, WINDOW)
    return Slo(f"{task}-correct", "bench", indicator, OBJECTIVE, WINDOW, tiers)


def _declare(engine: Engine, probes: Sequence[Probe]) -> str:
    """The app's key."""
    now = datetime.now(UTC)
    with engine.begin() as connection:
        app_id = put_app(
            connection,
            name="bench",
            display_name="Bench",
            team="bench",
            simulated=False,
            channel_names=(),
            now=now,
        )
        for probe in probes:
            put_task(connection, StoredTask(app_id, probe.slo.indicator.task, None, (ANSWERS,), ()))
            put_slo(connection, app_id, probe.slo, display_name=probe.slo.name)
    return create_api_key(engine, "bench", now=now).secret


@contextmanager
def _app_running(port: int, key: str, probes: Sequence[Probe]) -> Iterator[App]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        app = App(client, probes)
        thread = threading.Thread(target=app.run)
        thread.start()
        try:
            yield app
        finally:
            app.stopping.set()
            thread.join()


def _turn_bad(engine: Engine, app: App) -> float:
    """One probe after the other, until all are detected; returns the samples per second."""
    _wait_for_states(engine, app)
    started_s, posts = time.perf_counter(), app.posts
    next_s = started_s
    waiting, turned = list(app.probes), 0
    while waiting:
        now_s = time.perf_counter()
        if turned < len(app.probes) and now_s >= next_s:
            app.probes[turned].is_bad = True
            turned += 1
            next_s = now_s + _random.uniform(*PAUSES_S)
        _look(engine, waiting)
        waiting = [probe for probe in waiting if not probe.seen_s]
        assert app.error is None, app.error
        late = [p.slo.name for p in waiting if p.posted_s and now_s - p.posted_s > LIMIT_S]
        assert not late, f"no alert in {LIMIT_S} s: {late}"
        time.sleep(LOOKED_EVERY_S)
    seconds = time.perf_counter() - started_s
    shortest = min(length for probe in app.probes for length in probe.slo.window_lengths)
    assert timedelta(seconds=seconds) < shortest, "the run left the shortest window"
    return (app.posts - posts) * app.batch / seconds


def _wait_for_states(engine: Engine, app: App) -> None:
    """Until the worker has found every SLO healthy."""
    deadline = time.monotonic() + 2 * LIMIT_S
    found: dict[int, str] = {}
    while len(found) < len(app.probes) or any(found.values()):
        assert app.error is None, app.error
        assert time.monotonic() < deadline, f"not all healthy at the start: {set(found.values())}"
        time.sleep(0.2)
        with engine.connect() as connection:
            states = read_states(connection).values()
        found = {s.slo_id: "" if s.status == "healthy" else s.sentence for s in states}


def _look(engine: Engine, waiting: Sequence[Probe]) -> None:
    with engine.connect() as connection:
        sources = {alert.source for alert in list_firing_alerts(connection, kind="slo")}
    seen_s = time.perf_counter()
    for probe in waiting:
        if probe.slo.alert_source in sources:
            assert probe.posted_s, f"{probe.slo.name} fired before it should"
            probe.seen_s = seen_s


def _body(probe: Probe, size: int, now: datetime) -> bytes:
    task = {"task": probe.slo.indicator.task, "model": "gpt-4"}
    sample = task | {
        "called_at": now.isoformat(),
        "prompt": "Is 7919 a prime number? Think step by step.",
        "response": _TEXT + ("[no]" if probe.is_bad else "[yes]"),
        "reference": "yes",
    }
    samples = [
        sample | {"sample_id": str(uuid4()), "latency_ms": 812.0, "keep_probability": 1.0}
        for _ in range(size)
    ]
    minute = now.replace(second=0, microsecond=0).isoformat()
    counts = [task | {"minute": minute, "calls": size}]
    batch = {"batch_id": str(uuid4()), "samples": samples, "call_counts": counts}
    return json.dumps(batch).encode()


if __name__ == "__main__":
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else PROBES)
    for name, figure in figures.items():
        print(f"{name:>20}  {figure:,}")
    print(json.dumps(figures))
