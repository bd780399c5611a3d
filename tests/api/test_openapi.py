"""Whatever the OpenAPI document allows, and what it does not, is answered; never with a 500."""

import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from sqlalchemy import Engine, func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.schemas.batches import BatchIn, SignalBatchIn
from service.api.schemas.items import CallCountIn, InstanceIn, SampleIn, SignalIn
from service.api.schemas.receipts import ReceiptOut
from service.domain.incidents import AlertSignal
from service.flows.create_api_key import create_api_key
from service.flows.open_incident import raise_alert
from service.settings import Settings
from service.store import tables
from service.store.apps import App
from service.wiring import build_api
from tests.declared import NOW, PRIME, declare_app, declare_slo, declare_task
from tests.posted import open_door
from tests.serving import serving

CHECKS = (
    "not_a_server_error,status_code_conformance,"
    "content_type_conformance,response_schema_conformance"
)
HOOKS = "tests.api.openapi_hooks"
INCIDENTS = 12  # as many as the hooks know


@dataclass
class Witness:
    """Middleware that notes which statuses each operation has answered."""

    app: ASGIApp
    seen: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope.get("route")
                path = scope["path"] if route is None else route.path_format
                self.seen[f"{scope['method']} {path}"].add(message["status"])
            await send(message)

        await self.app(scope, receive, noted)


def open_incidents(engine: Engine, app: App) -> None:
    for number in range(INCIDENTS):
        signal = AlertSignal(
            source=f"slo/support/slo-{number}",
            kind="slo",
            app_id=app.id,
            app=app.name,
            environment="production",
            task=f"task-{number}",
            severity="page",
            title="Too few answers are correct",
            sentence="Half of the answers of the last hour are wrong",
            evidence={"burn_rate": 9.1},
        )
        with engine.begin() as connection:
            raise_alert(connection, signal, now=NOW)


def test_no_endpoint_answers_generated_requests_with_a_server_error(
    engine: Engine, tmp_path: Path
) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    declare_slo(engine, app)
    open_incidents(engine, app)
    key = create_api_key(engine, "support", scopes=("ingest", "read", "erase"), now=NOW)
    api = build_api(engine, Settings(), clock=lambda: NOW)
    witness = Witness(api)
    with serving(witness) as url:
        run = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                *("run", f"{url}/openapi.json", "--url", url),
                *("--header", f"Authorization: Bearer {key.secret}"),
                *("--checks", CHECKS, "--max-examples", "25", "--seed", "11"),
                "--generation-deterministic",
                *("--phases", "examples,coverage,fuzzing", "--no-color"),
            ],
            capture_output=True,
            text=True,
            timeout=170,
            cwd=tmp_path,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    expect_that_it_reached_everything(engine, witness, api.openapi()["paths"])


def test_the_examples_of_what_is_posted_and_answered_are_true(engine: Engine) -> None:
    with open_door(engine) as door:
        paths = door.api.openapi()["paths"]
        for path in ("/v1/samples", "/v1/signals"):
            operation = paths[path]["post"]
            example = operation["requestBody"]["content"]["application/json"]["example"]
            answer = door.client.post(path, json=example)
            assert answer.status_code == 202
            assert answer.json()["rejections"] == []
            shown = operation["responses"]["202"]["content"]["application/json"]["example"]
            assert answer.json().keys() == shown.keys()
            msgspec.convert(shown, ReceiptOut)


def test_the_schemas_of_what_is_posted_are_those_that_read_it(engine: Engine) -> None:
    document = build_api(engine, Settings()).openapi()
    schemas = document["components"]["schemas"]
    kinds = (BatchIn, SignalBatchIn, SampleIn, CallCountIn, SignalIn, InstanceIn, ReceiptOut)
    for kind in kinds:
        assert tuple(schemas[kind.__name__]["properties"]) == kind.__struct_fields__
    for path, body in (("/v1/samples", BatchIn), ("/v1/signals", SignalBatchIn)):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        reference = content["application/json"]["schema"]["$ref"]
        assert reference == f"#/components/schemas/{body.__name__}"


def expect_that_it_reached_everything(
    engine: Engine, witness: Witness, paths: dict[str, dict[str, object]]
) -> None:
    """A run that only ever met closed doors would pass as well."""
    operations = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    reached = {name for name, statuses in witness.seen.items() if min(statuses) < 300}
    assert operations <= reached, f"never answered with success: {sorted(operations - reached)}"
    with engine.connect() as connection:
        growing = (tables.samples, tables.call_counts, tables.signals, tables.sdk_instances)
        for table in (*growing, tables.scoring_jobs):
            stored = connection.scalar(select(func.count()).select_from(table))
            assert stored, f"nothing was stored in {table.name}"
        incidents = tables.incidents.c
        taken = select(func.count(incidents.acknowledged_at), func.count(incidents.resolved_at))
        acknowledged, resolved = connection.execute(taken).one()
    assert acknowledged
    assert resolved
