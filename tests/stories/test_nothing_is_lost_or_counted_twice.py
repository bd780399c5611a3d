"""Kill -9 at random moments: what was acknowledged is stored, scored and counted exactly once."""

import random
import subprocess
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import Engine, func, select

from service.flows.create_api_key import create_api_key
from service.store import tables
from tests.declared import PRIME, a_sample, declare_app, declare_task, post
from tests.processes import free_port, start, start_api
from tests.waiting import wait_for

SENDERS = 4
BATCHES_PER_SENDER = 12
SAMPLES_PER_BATCH = 100
KILLS = 3


def a_batch(batch_id: UUID, now: datetime) -> dict[str, Any]:
    samples = [
        {
            "sample_id": str(uuid4()),
            "called_at": now.isoformat(),
            "task": "answer",
            "prompt": "Is 7 prime?",
            "response": "[Yes] " + "because " * 50,
            "keep_probability": 1.0,
        }
        for _ in range(SAMPLES_PER_BATCH)
    ]
    minute = now.replace(second=0, microsecond=0).isoformat()
    counts = [{"minute": minute, "task": "answer", "calls": SAMPLES_PER_BATCH}]
    return {"batch_id": str(batch_id), "samples": samples, "call_counts": counts}


class Sender(threading.Thread):
    """Posts each batch until it is acknowledged, as the SDK does."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__()
        self.url, self.key = url, key
        self.acknowledged: list[dict[str, Any]] = []

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(headers=headers, timeout=10) as client:
            for _ in range(BATCHES_PER_SENDER):
                batch = a_batch(uuid4(), datetime.now(UTC))
                wait_for(lambda b=batch: self._post(client, b), within_s=60, what="an answer")
                self.acknowledged.append(batch)

    def _post(self, client: httpx.Client, batch: dict[str, Any]) -> bool:
        try:
            return client.post(f"{self.url}/v1/samples", json=batch).status_code == 202
        except httpx.HTTPError:
            return False


def test_kill_9_of_the_api_in_mid_batch_loses_nothing_and_counts_nothing_twice(
    engine: Engine, database_url: str
) -> None:
    chance = random.Random(7)
    declare_app(engine)
    key = create_api_key(engine, "support", now=datetime.now(UTC)).secret
    port, settings = free_port(), {"WATCHKEEPER_DATABASE_URL": database_url}
    api = start_api(port, **settings)
    try:
        senders = [Sender(f"http://127.0.0.1:{port}", key) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        for kill in range(1, KILLS + 1):
            share = (kill + chance.random()) / (KILLS + 2)
            due = int(share * SENDERS * BATCHES_PER_SENDER)
            wait_for(
                lambda due=due: sum(len(sender.acknowledged) for sender in senders) >= due,
                within_s=60,
                what=f"{due} acknowledged batches",
            )
            api.kill()
            api.wait()
            api = start_api(port, **settings)
        for sender in senders:
            sender.join(90)
    finally:
        api.kill()
        api.wait()
    posted = {
        UUID(sample["sample_id"])
        for sender in senders
        for batch in sender.acknowledged
        for sample in batch["samples"]
    }
    assert len(posted) == SENDERS * BATCHES_PER_SENDER * SAMPLES_PER_BATCH
    with engine.connect() as connection:
        stored = connection.scalars(select(tables.samples.c.sample_id)).all()
        calls = connection.scalar(select(func.sum(tables.call_counts.c.calls)))
        queued = connection.scalar(select(func.sum(tables.scoring_jobs.c.sample_count)))
    assert sorted(stored) == sorted(posted)
    assert calls == queued == len(posted)


def test_kill_9_of_the_worker_in_mid_job_scores_every_sample_exactly_once(
    engine: Engine, database_url: str
) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    now = datetime.now(UTC)
    jobs, samples_per_job = 30, 400
    for _ in range(jobs):
        post(engine, app, [a_sample(called_at=now) for _ in range(samples_per_job)], now=now)
    settings = {"WATCHKEEPER_DATABASE_URL": database_url, "WATCHKEEPER_SCORING_LEASE_S": "1"}

    def leases() -> set[UUID]:
        with engine.connect() as connection:
            tokens = connection.scalars(select(tables.scoring_jobs.c.lease_token))
            return {token for token in tokens if token is not None}

    def remaining_jobs() -> int:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(tables.scoring_jobs)) or 0

    orphaned: set[UUID] = set()
    for _ in range(3):
        worker: subprocess.Popen[bytes] = start("work", **settings)
        wait_for(lambda known=frozenset(orphaned): leases() - known, what="a claimed job")
        worker.kill()
        worker.wait()
        orphaned |= leases()
    assert orphaned, "no kill met a job in the making: the test proves nothing"
    worker = start("work", **settings)
    try:
        wait_for(lambda: remaining_jobs() == 0, within_s=60, what="the end of the queue")
    finally:
        worker.terminate()
        worker.wait(30)
    with engine.connect() as connection:
        scored = connection.scalar(select(func.count()).select_from(tables.scores))
        counted = connection.scalar(select(func.sum(tables.sli_minutes.c.n)))
    assert scored == counted == jobs * samples_per_job
