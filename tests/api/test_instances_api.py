from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from service.flows.create_api_key import create_api_key
from service.settings import Settings
from service.wiring import build_api
from tests.declared import NOW, declare_app
from tests.instances import a_ledger, an_instance, hear
from tests.serving import serving


@pytest.fixture
def client(engine: Engine) -> Iterator[httpx.Client]:
    app = build_api(engine, Settings(), clock=lambda: NOW)
    with serving(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_instances_are_listed_with_their_accounts(client: httpx.Client, engine: Engine) -> None:
    app = declare_app(engine)
    seen_at = NOW - timedelta(hours=1)
    instance = an_instance(a_ledger(produced=12, queued=9, sampled_out=3))
    hear(engine, app, instance, stored=5, rejected=1, now=seen_at)
    hear(engine, app, an_instance(a_ledger()), now=NOW - timedelta(days=8))
    answer = client.get("/v1/instances", params={"app": "support"}).json()
    account = {
        "produced": 12,
        "stored": 5,
        "sampled_out": 3,
        "dropped": {"rejected": 1},
        "queued": 3,
        "uncounted": {},
    }
    assert answer["totals"] == {"instances": 1, "account": account}
    (listed,) = answer["instances"]
    assert listed == {
        "instance_id": str(instance.instance_id),
        "environment": "production",
        "release": "1.4.0",
        "sdk": "python/0.1.0",
        "started_at": "2026-11-25T12:00:00Z",
        "last_seen_at": "2026-11-25T11:00:00Z",
        "account": account,
        "fault": None,
        "silence": "last heard 1 h ago with 3 samples queued",
    }


def test_an_unknown_app_is_no_empty_list(client: httpx.Client, engine: Engine) -> None:
    answer = client.get("/v1/instances", params={"app": "suport"})
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("unknown-app")


def a_batch(instance_id: str, sequence: int, samples: int, **ledger: Any) -> dict[str, Any]:
    """A batch of an SDK instance, with its ledger before the answer."""
    told: dict[str, Any] = dict.fromkeys(("produced", "stored", "sampled_out", "queued"), 0)
    told |= {"dropped": {}, "counted": 0, "uncounted": {}} | ledger
    return {
        "batch_id": str(uuid4()),
        "instance": {
            "instance_id": instance_id,
            "started_at": NOW.isoformat(),
            "sequence": sequence,
            "sdk": "python/0.1.0",
            "environment": "production",
            "release": "1.4.0",
            "ledger": told,
        },
        "samples": [
            {
                "sample_id": str(uuid4()),
                "called_at": NOW.isoformat(),
                "task": "answer",
                "keep_probability": 1.0,
            }
            for _ in range(samples)
        ],
        "call_counts": [],
    }


def test_batches_add_to_their_instance_s_account_once_in_any_order(
    client: httpx.Client, engine: Engine
) -> None:
    declare_app(engine)
    key = create_api_key(engine, "support", now=NOW)
    client.headers["Authorization"] = f"Bearer {key.secret}"
    instance_id = str(uuid4())
    first = a_batch(instance_id, 1, 3, produced=4, queued=4)
    first["samples"][0]["task"] = ""  # it is refused
    second = a_batch(instance_id, 2, 2, produced=10, queued=6, sampled_out=4)
    for batch in (second, first, first, second):
        assert client.post("/v1/samples", json=batch).status_code == 202
    answer = client.get("/v1/instances", params={"app": "support"}).json()
    assert answer["totals"]["account"] == {
        "produced": 10,
        "stored": 4,
        "sampled_out": 4,
        "dropped": {"rejected": 1},
        "queued": 1,
        "uncounted": {},
    }
