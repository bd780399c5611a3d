"""What apps post, and a served API to post it to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from sqlalchemy import Engine, Table, func, select

from service.api.dependencies import Resources
from service.flows.create_api_key import create_api_key
from service.settings import Settings
from service.store.apps import App
from service.wiring import build_api
from tests.declared import NOW, declare_app
from tests.serving import serving


def sample_in(**changes: Any) -> dict[str, Any]:
    """A sample as it is posted, with these changes."""
    return {
        "sample_id": str(uuid4()),
        "called_at": NOW.isoformat(),
        "task": "answer",
        "model": "gpt-4",
        "prompt": "Is 7 prime?",
        "response": "[Yes]",
        "keep_probability": 1.0,
    } | changes


def count_in(**changes: Any) -> dict[str, Any]:
    """Ten calls of one minute."""
    return {"minute": NOW.isoformat(), "task": "answer", "model": "gpt-4", "calls": 10} | changes


def signal_in(**changes: Any) -> dict[str, Any]:
    """A thumb down."""
    return {
        "signal_id": str(uuid4()),
        "sample_id": str(uuid4()),
        "kind": "thumbs",
        "value": -1,
        "signalled_at": NOW.isoformat(),
    } | changes


def instance_in(ledger: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A client that has made one call."""
    told = {"produced": 1, "stored": 0, "sampled_out": 0, "queued": 1, "counted": 0}
    return {
        "instance_id": str(uuid4()),
        "started_at": NOW.isoformat(),
        "sequence": 1,
        "ledger": told | (ledger or {}),
    } | changes


def batch_in(*samples: Any, counts: tuple[Any, ...] = (), **changes: Any) -> dict[str, Any]:
    """A batch of them."""
    return {
        "batch_id": str(uuid4()),
        "samples": list(samples),
        "call_counts": list(counts),
    } | changes


def body_of(batch: dict[str, Any]) -> bytes:
    """Its JSON."""
    return json.dumps(batch).encode()


@dataclass(frozen=True)
class Door:
    """A served API, one app's key, and what the API works with."""

    client: httpx.Client
    api: FastAPI
    app: App
    secret: str

    @property
    def resources(self) -> Resources:
        found = self.api.state.resources
        assert isinstance(found, Resources)
        return found

    def post(self, *samples: Any, **parts: Any) -> httpx.Response:
        """Post a batch of these."""
        return self.client.post("/v1/samples", json=batch_in(*samples, **parts))


@contextmanager
def open_door(
    engine: Engine, name: str = "support", *, app: App | None = None, **settings: Any
) -> Iterator[Door]:
    """An API of its own on this database, for an app that is declared unless it is given."""
    app = app or declare_app(engine, name)
    key = create_api_key(engine, app.name, scopes=("ingest", "read"), now=NOW)
    api = build_api(engine, Settings(**settings), clock=lambda: NOW)
    headers = {"Authorization": f"Bearer {key.secret}"}
    with serving(api) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield Door(client, api, app, key.secret)


def stored(engine: Engine, table: Table) -> int:
    """How many rows there are."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0
