"""Loaded by schemathesis: brings generated requests near enough to what exists to reach it.

Random times lie outside of what is taken in, random ids name no incident, and every request would
end at the door. About half of the requests are moved; the others stay as wild as they came.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

import schemathesis
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from schemathesis import Case, HookContext, SerializationContext
from schemathesis.transport.serialization import Binary

# What the test has declared; importing it here would cost each run of schemathesis the database.
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TEAM, APP, SLO = "care", "support", "answers-correct"
INCIDENTS = CORRECTIONS = 12
TRACE_ID = bytes.fromhex("5b8aa5a2d2c872e8321cf37308d69df2")
CHAT = {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}


def chance(*of: object) -> int:
    """The same for the same request, so that a run can be repeated."""
    return crc32(json.dumps(of, default=repr, sort_keys=True).encode())


@schemathesis.serializer("application/x-protobuf")
def as_it_is(_: SerializationContext, value: Any) -> bytes:
    """Bytes are the body; what is generated to be none of them is sent as text."""
    held = value.data if isinstance(value, Binary) else value
    return held if isinstance(held, bytes) else json.dumps(held, default=repr).encode()


@schemathesis.hook
def map_case(_: HookContext, case: Case) -> Case:
    """The request, or one like it about something that is there."""
    body = case.body.data if isinstance(case.body, Binary) else case.body
    number = chance(case.path, case.path_parameters, case.query, body)
    if number % 2:
        return case
    there = {
        "incident_id": 1 + number // 2 % INCIDENTS,
        "correction_id": 1 + number // 2 % CORRECTIONS,
        "name": SLO,
    }
    if case.path_parameters:
        case.path_parameters |= {
            name: there[name] for name in case.path_parameters if name in there
        }
    if case.query:
        known = {"team": TEAM, "app": APP, "week": f"{NOW:%G-W%V}"}
        case.query |= {name: known[name] for name in known if name in case.query}
    if case.method == "POST" and isinstance(case.body, dict) and "batch_id" in case.body:
        _bring_near(case.body)
    if case.method == "POST" and isinstance(case.body, dict) and "starts_at" in case.body:
        case.body |= _hours(number)
    if case.path in EXPORTS:
        _export(case, number)
    return case


def _hours(number: int) -> dict[str, Any]:
    """When a correction is for, of the whole app."""
    start = NOW + timedelta(minutes=number % 10_000 - 5_000)
    end = start + timedelta(hours=1 + number % 100)
    scope = dict.fromkeys(("environment", "task", "slo"))
    return {"starts_at": start.isoformat(), "ends_at": end.isoformat()} | scope


def _export(case: Case, number: int) -> None:
    # What is generated is never compressed.
    case.headers.pop("Content-Encoding", None)
    if case.media_type == "application/x-protobuf":
        case.body = EXPORTS[case.path](number)
    elif isinstance(case.body, dict):
        for span in _spans(case.body):
            minutes = chance(span) % (34 * 24 * 60)
            moment = int((NOW - timedelta(minutes=minutes)).timestamp()) * 10**9
            span |= {"startTimeUnixNano": str(moment), "attributes": [CHAT]}


def _spans(held: Any) -> Iterator[dict[str, Any]]:
    """The spans of an export, or of what was generated to resemble one."""
    if isinstance(held, list):
        for item in held:
            yield from _spans(item)
    elif isinstance(held, dict):
        if "spanId" in held and "eventName" not in held:
            yield held
        for name in ("resourceSpans", "scopeSpans", "spans"):
            yield from _spans(held.get(name))


def _traces(number: int) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = TRACE_ID, number.to_bytes(8)
    span.start_time_unix_nano = int(NOW.timestamp()) * 10**9
    span.attributes.add(key=CHAT["key"]).value.string_value = CHAT["value"]["stringValue"]
    return request.SerializeToString()


def _logs(number: int) -> bytes:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name = "gen_ai.evaluation.result"
    record.trace_id, record.span_id = TRACE_ID, number.to_bytes(8)
    for name, value in (("name", "faithful"), ("score.label", "pass")):
        record.attributes.add(key=f"gen_ai.evaluation.{name}").value.string_value = value
    return request.SerializeToString()


EXPORTS: dict[str, Callable[[int], bytes]] = {"/v1/traces": _traces, "/v1/logs": _logs}


def _bring_near(batch: dict[str, Any]) -> None:
    if isinstance(batch.get("batch_id"), str):
        # Many generated batches have one id: all but the first would be repetitions of it.
        batch["batch_id"] = str(UUID(int=chance(batch)))
    if "app" in batch:
        batch["app"] = APP
    times = {"samples": "called_at", "call_counts": "minute", "signals": "signalled_at"}
    for name, time in times.items():
        items = batch.get(name)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get(time), str):
                minutes = chance(item) % (34 * 24 * 60)
                item[time] = (NOW - timedelta(minutes=minutes)).isoformat()
