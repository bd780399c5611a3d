"""Whatever the OpenAPI document allows, and what it does not, is answered; never with a 500."""

import gzip
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import Engine, func, select
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.otlp_openapi import SCHEMAS
from service.api.schemas.batches import BatchIn, SignalBatchIn
from service.api.schemas.items import CallCountIn, InstanceIn, SampleIn, SignalIn
from service.api.schemas.receipts import ReceiptOut
from service.domain.api_keys import Scope as KeyScope
from service.domain.corrections import CorrectionScope
from service.domain.incidents import AlertSignal
from service.flows.correct_budget import correct_budget
from service.flows.create_api_key import create_api_key
from service.flows.open_incident import raise_alert
from service.otlp.answers import JSON, PROTOBUF
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
    """Middleware that notes which statuses each operation has answered, and with what content."""

    app: ASGIApp
    seen: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    contents: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of successes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope.get("route")
                path = scope["path"] if route is None else route.path_format
                operation = f"{scope['method']} {path}"
                self.seen[operation].add(message["status"])
                if message["status"] < 300:
                    content = Headers(raw=message["headers"]).get("content-type", "")
                    self.contents[operation].add(content)
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


def add_corrections(engine: Engine, app: App) -> None:
    for _ in range(INCIDENTS):
        correct_budget(
            *(engine, app, CorrectionScope()),
            starts_at=NOW,
            ends_at=NOW + timedelta(hours=1),
            reason="maintenance",
            author="Ann",
            now=NOW,
        )


def test_no_endpoint_answers_generated_requests_with_a_server_error(
    engine: Engine, tmp_path: Path
) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    declare_slo(engine, app)
    open_incidents(engine, app)
    add_corrections(engine, app)
    key = create_api_key(engine, "support", scopes=get_args(KeyScope), now=NOW)
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


def test_the_examples_of_otlp_are_true(engine: Engine) -> None:
    with open_door(engine) as door:
        paths = door.api.openapi()["paths"]
        for path in ("/v1/traces", "/v1/logs"):
            operation = paths[path]["post"]
            example = operation["requestBody"]["content"]["application/json"]["example"]
            for body in (json.dumps(example).encode(), gzip.compress(json.dumps(example).encode())):
                packed = {"Content-Encoding": "gzip"} if body.startswith(b"\x1f") else {}
                headers = {"Content-Type": "application/json"} | packed
                answer = door.client.post(path, content=body, headers=headers)
                shown = operation["responses"]["200"]["content"]["application/json"]["example"]
                assert (answer.status_code, answer.json()) == (200, shown)
    with engine.connect() as connection:
        (sample,) = connection.execute(select(tables.samples)).all()
        (score,) = connection.execute(select(tables.scores)).all()
    assert (sample.prompt, sample.response) == ("Is 7919 a prime number?", "[Yes]")
    assert score.sample_id == sample.sample_id


@pytest.mark.parametrize(
    "message",
    [
        *(ExportTraceServiceRequest, ExportTraceServiceResponse, Span, Span.Event, KeyValue),
        *(ExportLogsServiceRequest, ExportLogsServiceResponse, LogRecord, Status),
    ],
    ids=lambda message: message.DESCRIPTOR.name,
)
def test_the_schemas_of_otlp_have_the_names_of_the_protocol(message: Any) -> None:
    expect_names_of(message.DESCRIPTOR, SCHEMAS[message.DESCRIPTOR.name])


def expect_names_of(descriptor: Any, schema: dict[str, Any]) -> None:
    schema = schema.get("items", schema)
    schema = SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for name, part in schema.get("properties", {}).items():
        field = descriptor.fields_by_camelcase_name[name]
        if field.message_type is not None:
            expect_names_of(field.message_type, part)


def expect_that_it_reached_everything(
    engine: Engine, witness: Witness, paths: dict[str, dict[str, object]]
) -> None:
    """A run that only ever met closed doors would pass as well."""
    operations = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    reached = {name for name, statuses in witness.seen.items() if min(statuses) < 300}
    assert operations <= reached, f"never answered with success: {sorted(operations - reached)}"
    for path in ("/v1/traces", "/v1/logs"):
        assert witness.contents[f"POST {path}"] == {JSON, PROTOBUF}
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
