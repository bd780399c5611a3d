"""Several API processes on one port."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import psutil
from sqlalchemy import Engine

from service.flows.create_api_key import create_api_key
from tests.declared import declare_app
from tests.processes import free_port, is_ready, running
from tests.waiting import wait_for

POSTS = 24


def post_a_sample(port: int, key: str) -> None:
    sample = {
        "sample_id": str(uuid4()),
        "called_at": datetime.now(UTC).isoformat(),
        "task": "answer",
        "keep_probability": 1.0,
    }
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/samples",
        json={"batch_id": str(uuid4()), "samples": [sample], "call_counts": []},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.json()["accepted"] == 1


def accepted(port: int) -> float:
    """As whichever process is asked counts it."""
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    name = re.escape('watchkeeper_ingested_samples_total{outcome="accepted"}')
    found = re.search(rf"^{name} (\S+)", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_they_share_the_port_count_together_and_end_together(
    engine: Engine, database_url: str
) -> None:
    declare_app(engine)
    key = create_api_key(engine, "support", now=datetime.now(UTC)).secret
    port = free_port()
    command = ("serve", "--port", str(port), "--processes", "2")
    with running(*command, WATCHKEEPER_DATABASE_URL=database_url) as parent:
        wait_for(lambda: is_ready(port, parent), what="one of the processes")
        parts = psutil.Process(parent.pid).children()
        assert len(parts) == 2
        wait_for(lambda: all(part.net_connections("tcp") for part in parts), what="both of them")
        for _ in range(POSTS):  # a connection each, which the kernel deals out
            post_a_sample(port, key)
        assert {accepted(port) for _ in range(8)} == {POSTS}
    assert not any(part.is_running() for part in parts)


def test_one_that_ends_by_itself_ends_the_others(engine: Engine, database_url: str) -> None:
    port = free_port()
    command = ("serve", "--port", str(port), "--processes", "2")
    with running(*command, WATCHKEEPER_DATABASE_URL=database_url) as parent:
        wait_for(lambda: is_ready(port, parent), what="one of the processes")
        one, other = psutil.Process(parent.pid).children()
        one.kill()
        assert parent.wait(30) == 1
        assert not other.is_running()
