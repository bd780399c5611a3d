"""`ExportTraceServiceRequest` in protobuf."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from service.otlp.errors import TooManyFieldsError, UnreadableExportError
from service.otlp.spans import Attributes, Span, SpanEvent, Unreadable
from service.otlp.values import DEEPEST, cleaned
from service.otlp.wire import NOTHING_INSIDE, Shape, TornMessageError, count_fields, parts

# Field numbers of ExportTraceServiceRequest, ResourceSpans and ScopeSpans.
_RESOURCE_SPANS = 1
_RESOURCE, _SCOPE_SPANS = 1, 2
_SPANS = 2
_VALUE: dict[int, Shape] = {}
_KEY_VALUE: Shape = {2: _VALUE}
_VALUE |= {5: {1: _VALUE}, 6: {1: _KEY_VALUE}}  # lists of values, and of keys with values
RESOURCE: Shape = {1: _KEY_VALUE}
SPAN: Shape = {9: _KEY_VALUE, 11: {3: _KEY_VALUE}, 13: {4: _KEY_VALUE}}  # also its events, links
LOG_RECORD: Shape = {5: _VALUE, 6: _KEY_VALUE}
MOST_FIELDS = 1_000_000
"""Attributes, events and the like of all spans or log records of one request. An empty event is
two bytes on the wire, and two hundred in memory."""
_LARGE = 500_000
"""Bytes from which on one span is looked into. Smaller ones cannot hold much, and are parsed one
after the other."""


class FieldBudget:
    """What is left of `MOST_FIELDS` for one request."""

    def __init__(self) -> None:
        self._left = MOST_FIELDS

    def spend(self, message: memoryview, shape: Shape) -> None:
        """Count a span, a log record or a resource before it is parsed.

        Raises:
            TooManyFieldsError: It is too much.
        """
        looked_into = shape if len(message) >= _LARGE else NOTHING_INSIDE
        self._left -= 1 + count_fields(message, looked_into, most=self._left)
        if self._left < 0:
            raise TooManyFieldsError(
                f"The request holds more than {MOST_FIELDS} fields; send fewer spans or records "
                "at once"
            )


def read_protobuf(body: bytes) -> Iterator[Span | Unreadable]:
    """The spans of a request, one by one.

    Raises:
        UnreadableExportError: These bytes are no such message.
        TooManyFieldsError: They would take too much memory.
    """
    budget = FieldBudget()
    try:
        for of_resource in parts(memoryview(body), _RESOURCE_SPANS):
            resource = _resource(of_resource, budget)
            for of_scope in parts(of_resource, _SCOPE_SPANS):
                for held in parts(of_scope, _SPANS):
                    budget.spend(held, SPAN)
                    yield _read_span(bytes(held), resource)
    except (TornMessageError, DecodeError):
        # The text of the latter can quote the body.
        raise UnreadableExportError("The body is not an ExportTraceServiceRequest") from None


def _resource(of_resource: memoryview, budget: FieldBudget) -> Attributes:
    # It need not stand before its spans.
    read: dict[str, Any] = {}
    for held in parts(of_resource, _RESOURCE):
        budget.spend(held, RESOURCE)
        read |= read_attributes(Resource.FromString(bytes(held)).attributes)
    return read


def _read_span(held: bytes, resource: Attributes) -> Span | Unreadable:
    try:
        return _span(trace_pb2.Span.FromString(held), resource)
    except DecodeError:
        return Unreadable("it is not a Span, or holds text that is not UTF-8")


def _span(span: trace_pb2.Span, resource: Attributes) -> Span:
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        trace_state=span.trace_state,
        flags=span.flags,
        name=cleaned(span.name),
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        status_code=span.status.code,
        status_message=cleaned(span.status.message),
        attributes=read_attributes(span.attributes),
        resource=resource,
        events=tuple(
            SpanEvent(event.name, read_attributes(event.attributes)) for event in span.events
        ),
    )


def read_attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """By key; of a key that is given twice, the last value."""
    return {cleaned(pair.key): _value(pair.value, 0) for pair in pairs}


def read_value(value: AnyValue) -> Any:
    """What it holds; None for nothing, bytes and what no JSON could hold."""
    return _value(value, 0)


def _value(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > DEEPEST:
        return None
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {
            cleaned(pair.key): _value(pair.value, depth + 1) for pair in value.kvlist_value.values
        }
    plain = getattr(value, kind)
    if kind == "string_value":
        return cleaned(plain)
    if kind == "double_value" and not math.isfinite(plain):
        return None
    return None if kind == "bytes_value" else plain
