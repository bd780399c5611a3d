"""What an exporter is answered, in the encoding that it asked in.

Source: OTLP 1.10, "OTLP/HTTP Response": `ExportTraceServiceResponse` for what was taken, else a
`google.rpc.Status`. 429, 502, 503 and 504 are sent again, after `Retry-After`; no other is.
"""

import json
from collections.abc import Sequence
from typing import Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from service.domain.calls import Remark

Encoding = Literal["application/x-protobuf", "application/json"]
PROTOBUF: Encoding = "application/x-protobuf"
JSON: Encoding = "application/json"

_REASONS = 5
_INVALID_ARGUMENT = 3
# google.rpc.Code by the status of HTTP; the mapping of google/rpc/code.proto.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 413: 8, 415: 3, 422: 3, 429: 8, 500: 13, 503: 14}


def spell_rejections(rejections: Sequence[Remark]) -> str:
    """The first reasons, by the number of the span in its request."""
    shown = [f"{_spell(remark.pointer)}: {remark.reason}" for remark in rejections[:_REASONS]]
    more = len(rejections) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)


def _spell(pointer: str) -> str:
    return pointer.replace("/samples/", "span ").replace("/scores/", "log record ")


def write_traces_answer(encoding: Encoding, rejected: int, message: str) -> bytes:
    """An `ExportTraceServiceResponse`; its partial success is set where there is something to say.

    A message without rejections is a warning, as the protocol has it.
    """
    if encoding == JSON:
        return _partial_success("rejectedSpans", rejected, message)
    answer = ExportTraceServiceResponse()
    if rejected or message:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = message
    return bytes(answer.SerializeToString())


def write_logs_answer(encoding: Encoding, rejected: int, message: str) -> bytes:
    """An `ExportLogsServiceResponse`."""
    if encoding == JSON:
        return _partial_success("rejectedLogRecords", rejected, message)
    answer = ExportLogsServiceResponse()
    if rejected or message:
        answer.partial_success.rejected_log_records = rejected
        answer.partial_success.error_message = message
    return bytes(answer.SerializeToString())


def _partial_success(name: str, rejected: int, message: str) -> bytes:
    # A 64-bit integer is a text in the JSON of protocol buffers.
    partial = {"partialSuccess": {name: str(rejected), "errorMessage": message}}
    return json.dumps(partial if rejected or message else {}).encode()


def write_status(encoding: Encoding, http_status: int, message: str) -> bytes:
    """A `google.rpc.Status`."""
    code = _CODES.get(http_status, _INVALID_ARGUMENT if http_status < 500 else _CODES[500])
    if encoding == JSON:
        return json.dumps({"code": code, "message": message}).encode()
    # Two fields, written by hand: it would be one more package for one message.
    text = message.encode()
    return b"\x08" + bytes([code]) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
