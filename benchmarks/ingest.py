"""HTTP to committed row, against raw binary COPY of the same rows into the same table.

    python -m benchmarks.ingest

Both write samples with a 320-character prompt and a 1,100-character answer, 500 a transaction,
into one embedded PostgreSQL with its usual durability. The API is a process of its own, as in
production; it takes in call counts and queues scoring jobs too, which the raw COPY does not.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
from sqlalchemy import Engine, create_engine

from service.domain.calls import NewSample
from service.flows.create_api_key import create_api_key
from service.store.apps import put_app
from service.store.embedded import EmbeddedServer
from service.store.samples import insert_samples
from service.store.schema import migrate

BATCH = 500
BATCHES = 60
CLIENTS = 4
PROMPT, ANSWER = "Is it prime? " * 25, "Because of the divisors below. " * 36


def measure() -> dict[str, float]:
    """Rows per second of both, the answers' times and the API's memory."""
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-benchmark-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        with EmbeddedServer(home) as server:
            engine = create_engine(server.url)
            migrate(engine)
            key, app_id = _declare(engine)
            copy_rate = _copy(engine, app_id)
            with _api(server.url) as (url, process):
                http_rate, times = _post(url, key)
                memory = psutil.Process(process.pid).memory_info().rss
            engine.dispose()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return {
        "ratio": round(http_rate / copy_rate, 3),
        "http_rows_per_s": round(http_rate),
        "copy_rows_per_s": round(copy_rate),
        "p50_ms": round(statistics.median(times) * 1000, 1),
        "p99_ms": round(statistics.quantiles(times, n=100)[98] * 1000, 1),
        "rss_mb": round(memory / 1e6),
    }


def _declare(engine: Engine) -> tuple[str, int]:
    now = datetime.now(UTC)
    with engine.begin() as connection:
        app_id = put_app(
            connection,
            name="bench",
            display_name="Bench",
            team="bench",
            simulated=True,
            channel_names=(),
            now=now,
        )
    return create_api_key(engine, "bench", now=now).secret, app_id


def _sample(now: datetime) -> NewSample:
    words = {"environment": "production", "task": "answer", "release": "", "model": "gpt-4"}
    nothing = dict.fromkeys(("error_type", "reference", "finish_reason", "session_id", "user_id"))
    return NewSample(
        sample_id=uuid4(),
        called_at=now,
        **words,
        **nothing,
        prompt_version="",
        outcome="ok",
        prompt=PROMPT,
        response=ANSWER,
        latency_ms=812.0,
        input_tokens=80,
        output_tokens=270,
        cost_usd=0.004,
        keep_probability=1.0,
        attributes={},
    )


def _copy(engine: Engine, app_id: int) -> float:
    now = datetime.now(UTC)
    batches = [[_sample(now) for _ in range(BATCH)] for _ in range(BATCHES)]
    begin = time.perf_counter()
    for batch in batches:
        with engine.begin() as connection:
            insert_samples(connection, app_id, batch, now=now)
    return BATCH * BATCHES / (time.perf_counter() - begin)


def _post(url: str, key: str) -> tuple[float, list[float]]:
    now = datetime.now(UTC)
    bodies = [_body(now) for _ in range(BATCHES)]
    times: list[float] = []

    def send(share: list[bytes]) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            for body in share:
                begin = time.perf_counter()
                answer = client.post(f"{url}/v1/samples", content=body)
                times.append(time.perf_counter() - begin)
                assert answer.json()["accepted"] == BATCH, answer.text

    senders = [threading.Thread(target=send, args=(bodies[n::CLIENTS],)) for n in range(CLIENTS)]
    begin = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return BATCH * BATCHES / (time.perf_counter() - begin), times


def _body(now: datetime) -> bytes:
    minute = now.replace(second=0, microsecond=0).isoformat()
    sample = {
        "called_at": now.isoformat(),
        "task": "answer",
        "model": "gpt-4",
        "prompt": PROMPT,
        "response": ANSWER,
        "latency_ms": 812.0,
        "input_tokens": 80,
        "output_tokens": 270,
        "cost_usd": 0.004,
        "keep_probability": 1.0,
    }
    return json.dumps(
        {
            "batch_id": str(uuid4()),
            "samples": [{"sample_id": str(uuid4())} | sample for _ in range(BATCH)],
            "call_counts": [{"minute": minute, "task": "answer", "calls": BATCH}],
        }
    ).encode()


@contextmanager
def _api(database_url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", "--port", str(port)],
        env=os.environ | {"WATCHKEEPER_DATABASE_URL": database_url},
    )
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(url):
            assert time.monotonic() < deadline, "the API did not start"
        yield url, process
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        time.sleep(0.05)
        return False


if __name__ == "__main__":
    figures = measure()
    for name, figure in figures.items():
        print(f"{name:>16}  {figure:,}")
    print(json.dumps(figures))
