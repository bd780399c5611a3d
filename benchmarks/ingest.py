"""HTTP to committed row, against raw binary COPY of the same rows into the same table.

    python -m benchmarks.ingest [PROCESSES]

Both write samples with a 320-character prompt and a 1,100-character answer, 500 a transaction,
into one embedded PostgreSQL with its usual durability, turn by turn in one run. The API runs as in
production, in a process for each core unless told otherwise; it takes in call counts and queues
scoring jobs too, which the raw COPY does not. The load comes from another process on the same
machine.

Then the same samples one by one, over 64 connections, and at last more at once than may wait in
memory: the API has to refuse some of it, and its memory has to stay flat.

For what single samples could reach at best, the same requests go to an application on the same
HTTP server that reads them and stores nothing.
"""

import gzip
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import zstandard
from psycopg.types.json import Jsonb
from sqlalchemy import Engine, create_engine, func, select

from benchmarks.api_process import api_running, bare_app_running, memory_watched
from benchmarks.load_generator import Load, request_of, send_load
from service.flows.create_api_key import create_api_key
from service.store.apps import put_app
from service.store.embedded import EmbeddedServer
from service.store.schema import migrate
from service.store.tables import samples

BATCH = 500
BATCHES = 100  # in one turn
TURNS = 5
CLIENTS = 8
SINGLES = 4_000
SINGLE_CLIENTS = 64
OVERLOAD_CLIENTS = 48
OVERLOAD_BATCHES = 96
PROMPT, ANSWER = 320, 1_100  # characters
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda body: body,
    "gzip": lambda body: gzip.compress(body, 1),
    "zstd": zstandard.ZstdCompressor(3).compress,
}
_random = random.Random(7)
_WORDS = ["".join(_random.choices("etaoinshrdlucm", k=_random.randint(2, 9))) for _ in range(2_000)]


def measure(processes: int) -> dict[str, float]:
    """Rows per second of all ways, the answers' times and the API's memory."""
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-benchmark-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        with EmbeddedServer(home) as server:
            engine = create_engine(server.url)
            migrate(engine)
            key, app_id = _declare(engine)
            with (
                api_running(server.url, processes=processes) as (port, parent),
                memory_watched(parent) as peak,
            ):
                figures = _measure(server.url, app_id, port, key)
            figures["bare_requests_per_s"] = _bare(key)
            _expect_stored(engine, figures.pop("rows"))
            engine.dispose()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return figures | {"rss_mb": round(peak[0] / 1e6)}


def _measure(database_url: str, app_id: int, port: int, key: str) -> dict[str, float]:
    rates: dict[str, list[float]] = {name: [] for name in ("copy", *ENCODINGS, "single")}
    times: list[float] = []
    _post(port, key, _batches(BATCHES), "")  # warm
    rows = BATCH * BATCHES
    for _ in range(TURNS):
        rates["copy"].append(_copy(database_url, app_id))
        for encoding in ENCODINGS:
            load = _post(port, key, _batches(BATCHES), encoding)
            rates[encoding].append(BATCH * BATCHES / load.seconds)
            times += load.times_s
        load = _post(port, key, _batches(SINGLES, size=1), "", connections=SINGLE_CLIENTS)
        rates["single"].append(SINGLES / load.seconds)
    rows += TURNS * (BATCH * BATCHES * (1 + len(ENCODINGS)) + SINGLES)
    refused = _overload(port, key)
    rows += (OVERLOAD_BATCHES - refused) * BATCH * 8
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        spread = f"{min(values):,.0f} to {max(values):,.0f}"
        print(f"{name or 'plain':>10}  {middle[name]:>10,.0f} rows/s  ({spread})")
    return {
        "ratio": round(min(middle[name] for name in ENCODINGS) / middle["copy"], 3),
        "single_ratio": round(middle["single"] / middle[""], 3),
        "http_rows_per_s": round(middle[""]),
        "gzip_rows_per_s": round(middle["gzip"]),
        "zstd_rows_per_s": round(middle["zstd"]),
        "single_rows_per_s": round(middle["single"]),
        "copy_rows_per_s": round(middle["copy"]),
        "p50_ms": round(statistics.median(times) * 1000, 1),
        "p99_ms": round(statistics.quantiles(times, n=100)[98] * 1000, 1),
        "refused_of_overload": round(refused / OVERLOAD_BATCHES, 2),
        "rows": rows,
    }


def _bare(key: str) -> int:
    """Single samples a second that are only read."""
    with bare_app_running() as port:
        bodies = _batches(SINGLES, size=1)
        loads = [_post(port, key, bodies, "", connections=SINGLE_CLIENTS) for _ in range(TURNS)]
    return round(SINGLES / statistics.median(load.seconds for load in loads))


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


def _text(characters: int) -> str:
    """Words with a line end here and there, and a few letters beyond ASCII."""
    words = _random.choices([*_WORDS, "\n", "\n", "\n", "d\u00e9j\u00e0"], k=characters // 4)
    return " ".join(words)[:characters].ljust(characters, ".")


_TEXTS = [(_text(PROMPT), _text(ANSWER)) for _ in range(1_000)]


def _new_id() -> UUID:
    """A UUIDv7, as the SDK makes them."""
    bits = int(time.time() * 1000) << 80 | 7 << 76 | 2 << 62
    return UUID(int=bits | _random.getrandbits(12) << 64 | _random.getrandbits(62))


def _copy(database_url: str, app_id: int) -> float:
    """Rows per second of what any program would do that has nothing but rows and a table."""
    columns = [column.name for column in samples.columns]
    types = [
        column.type.compile(dialect=create_engine("postgresql+psycopg://").dialect).lower()
        for column in samples.columns
    ]
    statement = f"COPY samples ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    batches = [[_row(app_id, columns) for _ in range(BATCH)] for _ in range(BATCHES)]
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        begin = time.perf_counter()
        for batch in batches:
            with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                copy.set_types(types)
                for row in batch:
                    copy.write_row(row)
            connection.commit()
        return BATCH * BATCHES / (time.perf_counter() - begin)


def _row(app_id: int, columns: list[str]) -> list[object]:
    now, (prompt, answer) = datetime.now(UTC), _random.choice(_TEXTS)
    values: dict[str, object] = {
        "app_id": app_id,
        "called_at": now,
        "received_at": now,
        "sample_id": _new_id(),
        "environment": "production",
        "task": "answer",
        "release": "",
        "model": "gpt-4",
        "prompt_version": "",
        "outcome": "ok",
        "prompt": prompt,
        "response": answer,
        "latency_ms": 812.0,
        "input_tokens": 80,
        "output_tokens": 270,
        "cost_usd": 0.004,
        "keep_probability": 1.0,
        "attributes": Jsonb({}),
    }
    return [values.get(column) for column in columns]


def _batches(count: int, *, size: int = BATCH) -> list[bytes]:
    return [_body(size) for _ in range(count)]


def _body(size: int) -> bytes:
    now = datetime.now(UTC)
    minute = now.replace(second=0, microsecond=0).isoformat()
    sample = {
        "called_at": now.isoformat(),
        "task": "answer",
        "model": "gpt-4",
        "latency_ms": 812.0,
        "input_tokens": 80,
        "output_tokens": 270,
        "cost_usd": 0.004,
        "keep_probability": 1.0,
    }
    samples = []
    for _ in range(size):
        prompt, answer = _random.choice(_TEXTS)
        of_its_own = {"sample_id": str(_new_id()), "prompt": prompt, "response": answer}
        samples.append(sample | of_its_own)
    counts = [{"minute": minute, "task": "answer", "model": "gpt-4", "calls": size}]
    batch = {"batch_id": str(_new_id()), "samples": samples, "call_counts": counts}
    return json.dumps(batch, ensure_ascii=False).encode()


def _post(
    port: int, key: str, bodies: list[bytes], encoding: str, *, connections: int = CLIENTS
) -> Load:
    encode = ENCODINGS[encoding]
    requests = [request_of(encode(body), key=key, encoding=encoding) for body in bodies]
    load = send_load(port, requests, connections)
    assert load.statuses == {202: len(bodies)}, load.statuses
    return load


def _overload(port: int, key: str) -> int:
    """Far more at once than may wait; how many batches were refused."""
    requests = [request_of(_body(BATCH * 8), key=key) for _ in range(OVERLOAD_BATCHES)]
    load = send_load(port, requests, OVERLOAD_CLIENTS)
    assert set(load.statuses) <= {202, 503}, load.statuses
    return load.statuses[503]


def _expect_stored(engine: Engine, rows: float) -> None:
    with engine.connect() as connection:
        stored = connection.scalar(select(func.count()).select_from(samples))
    assert stored == rows, f"{stored} rows are stored, {rows} were acknowledged"


if __name__ == "__main__":
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1)
    for name, figure in figures.items():
        print(f"{name:>20}  {figure:,}")
    print(json.dumps(figures))
