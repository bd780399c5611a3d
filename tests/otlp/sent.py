"""Requests of OTLP as tests need them: documents in JSON, and spans of the real SDK."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import Tracer

from service.domain.calls import NewSample
from service.otlp.batches import ReadExport, batch_id_of, build_batch
from service.otlp.read_json import read_json
from service.otlp.read_protobuf import read_protobuf

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
START_NS = int(NOW.timestamp()) * 10**9
TRACE_ID = "5b8aa5a2d2c872e8321cf37308d69df2"
RESOURCE = {"service.version": "1.4.0", "deployment.environment.name": "staging"}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
}


class SeededIds(IdGenerator):
    """The same ids in every run."""

    def __init__(self) -> None:
        self._draw = random.Random(7)

    def generate_span_id(self) -> int:
        return self._draw.getrandbits(64)

    def generate_trace_id(self) -> int:
        return self._draw.getrandbits(128)


def any_value(value: Any) -> dict[str, Any]:
    """A Python value as `AnyValue`."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [any_value(item) for item in value]}}
        case dict():
            return {"kvlistValue": {"values": key_values(value)}}
    raise TypeError(type(value))


def key_values(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def an_event(name: str, **attributes: Any) -> dict[str, Any]:
    """`__` in a name is a dot."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return {"name": name, "attributes": key_values(named)}


def a_span(
    attributes: dict[str, Any] | None = None, *, number: int = 1, **changes: Any
) -> dict[str, Any]:
    """A span of the trace `TRACE_ID`; attributes are added to those of a chat."""
    return {
        "traceId": TRACE_ID,
        "spanId": f"{number:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 1_250_000_000),
        "attributes": key_values(CHAT | (attributes or {})),
    } | changes


def a_request(*spans: Any, resource: dict[str, Any] = RESOURCE) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": key_values(resource)},
                "scopeSpans": [{"scope": {"name": "test"}, "spans": list(spans)}],
            }
        ]
    }


def read(*spans: Any, rate: float | None = None, **changes: Any) -> ReadExport:
    """The batch of a request with these spans."""
    body = json.dumps(a_request(*spans, **changes)).encode()
    return build_batch(read_json(body), batch_id_of(body, 1), lambda _: rate)


def sample_of(span: dict[str, Any], **changes: Any) -> NewSample:
    """The only sample of a request with this span."""
    (sample,) = read(span, **changes).batch.samples.values()
    return sample


def exported(act: Callable[[Tracer], None], *, sampler: Sampler | None = None) -> bytes:
    """What the real SDK would send of the spans that `act` makes, in protobuf."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource(RESOURCE),
        sampler=sampler,
        id_generator=SeededIds(),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    act(provider.get_tracer("test"))
    body: bytes = encode_spans(memory.get_finished_spans()).SerializeToString()
    provider.shutdown()
    return body


def read_exported(body: bytes, *, rate: float | None = None) -> ReadExport:
    return build_batch(read_protobuf(body), batch_id_of(body, 1), lambda _: rate)


def an_evaluation_record(
    *, value: float, label: str = "", evaluator: str = "faithful", number: int = 1
) -> dict[str, Any]:
    """A log record of an evaluation of the span `a_span(number=number)`."""
    attributes = {
        "gen_ai.evaluation.name": evaluator,
        "gen_ai.evaluation.score.value": value,
        "gen_ai.evaluation.score.label": label,
    }
    return {
        "eventName": "gen_ai.evaluation.result",
        "traceId": TRACE_ID,
        "spanId": f"{number:016x}",
        "attributes": key_values(attributes),
    }


def a_log_request(*records: Any) -> dict[str, Any]:
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}
