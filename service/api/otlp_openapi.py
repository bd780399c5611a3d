"""The OpenAPI document's part on OTLP/HTTP: requests, answers and errors in both encodings.

Of the requests it shows what is read here; the protocol has more, which may come along. Names and
types are those of its JSON: 64-bit integers are texts, ids are hexadecimal.
Source: opentelemetry-proto 1.10, `collector/trace/v1`, `collector/logs/v1`; OTLP/HTTP.
"""

from http import HTTPStatus
from typing import Any

from service.api.schemas import examples
from service.otlp.answers import JSON, PROTOBUF

_STATUSES = (400, 401, 403, 413, 415, 429, 503)
_RETRIED = (429, 503)
_ENCODINGS = ("identity", "gzip", "zstd")
_SECONDS = {"type": "integer", "minimum": 0}
_NANOSECONDS = {"type": "string", "pattern": "^[0-9]{1,20}$", "description": "Since 1970."}
_ATTRIBUTES: dict[str, Any] = {"type": "array", "items": {"$ref": "#/components/schemas/KeyValue"}}
_RESOURCE = {"type": "object", "properties": {"attributes": _ATTRIBUTES}}


def _hexadecimal(size: int) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^[0-9a-fA-F]{{{2 * size}}}$"}


_IDS = {"traceId": _hexadecimal(16), "spanId": _hexadecimal(8)}


def _message(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list_of(schema: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}


def _request(outer: str, inner: str, items: str, schema: str) -> dict[str, Any]:
    of_scope = _message(**{items: _list_of(schema)})
    of_resource = _message(resource=_RESOURCE, **{inner: {"type": "array", "items": of_scope}})
    return _message(**{outer: {"type": "array", "items": of_resource}})


def _answer(rejected: str) -> dict[str, Any]:
    told = {rejected: {"type": "string", "pattern": "^[0-9]+$"}, "errorMessage": {"type": "string"}}
    return _message(partialSuccess={**_message(**told), "description": "Only where some are."})


SCHEMAS: dict[str, Any] = {
    "KeyValue": _message(
        key={"type": "string"},
        value=_message(
            stringValue={"type": "string"},
            boolValue={"type": "boolean"},
            intValue={"type": "string", "pattern": "^-?[0-9]{1,18}$"},
            doubleValue={"type": "number"},
        ),
    ),
    "Event": _message(name={"type": "string"}, attributes=_ATTRIBUTES),
    "Span": _message(
        **_IDS,
        traceState={"type": "string"},
        name={"type": "string"},
        startTimeUnixNano=_NANOSECONDS,
        endTimeUnixNano=_NANOSECONDS,
        attributes=_ATTRIBUTES,
        events=_list_of("Event"),
        status=_message(message={"type": "string"}, code={"type": "integer", "enum": [0, 1, 2]}),
    ),
    "LogRecord": _message(**_IDS, eventName={"type": "string"}, attributes=_ATTRIBUTES),
    "ExportTraceServiceRequest": _request("resourceSpans", "scopeSpans", "spans", "Span"),
    "ExportTraceServiceResponse": _answer("rejectedSpans"),
    "ExportLogsServiceRequest": _request("resourceLogs", "scopeLogs", "logRecords", "LogRecord"),
    "ExportLogsServiceResponse": _answer("rejectedLogRecords"),
    "Status": {
        **_message(code={"type": "integer"}, message={"type": "string"}),
        "required": ["code", "message"],
        "description": "google.rpc.Status; `code` is one of google.rpc.Code.",
    },
}
"""Components, by name."""


def otlp_paths() -> dict[str, Any]:
    """The two routes, as the document has them."""
    return {
        "/v1/traces": _post("Store the calls among spans.", "ExportTraceService", examples.TRACES),
        "/v1/logs": _post(
            "Store the evaluations among log records.", "ExportLogsService", examples.LOGS
        ),
    }


def _post(summary: str, name: str, example: dict[str, Any]) -> dict[str, Any]:
    stored = {
        "description": "Stored; what of it was rejected, and why, is in partialSuccess. An "
        "exporter does not send that again.",
        "content": _content(f"{name}Response", {}),
    }
    return {
        "post": {
            "tags": ["ingestion"],
            "summary": summary,
            "description": "OTLP/HTTP, as exporters of OpenTelemetry send it, in protobuf or JSON, "
            "compressed or not; answers and errors are in the encoding of the request. The answer "
            "leaves after the commit.",
            "parameters": [
                {
                    "name": "Content-Encoding",
                    "in": "header",
                    "schema": {"type": "string", "enum": list(_ENCODINGS)},
                }
            ],
            "requestBody": {"required": True, "content": _content(f"{name}Request", example)},
            "responses": {"200": stored} | {str(status): _error(status) for status in _STATUSES},
        }
    }


def _content(model: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model}"}
    binary = {"type": "string", "format": "binary", "description": f"{model}, on the wire."}
    return {PROTOBUF: {"schema": binary}, JSON: {"schema": schema, "example": example}}


def _error(status: int) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary", "description": "Status, on the wire."}
    error: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {
            PROTOBUF: {"schema": binary},
            JSON: {"schema": {"$ref": "#/components/schemas/Status"}},
        },
    }
    if status in _RETRIED:
        error["headers"] = {
            "Retry-After": {"description": "Seconds until it is sent again.", "schema": _SECONDS}
        }
    return error
