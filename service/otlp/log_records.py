"""Events that come as log records, beside the spans that they belong to."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1 import logs_pb2

from service.domain.calls import Batch, Remark
from service.domain.scores import ReportedScore
from service.otlp.contents import TEXT_EVENTS, has_texts
from service.otlp.errors import UnreadableExportError
from service.otlp.evaluations import EVALUATION, read_evaluation
from service.otlp.model_calls import UnusableSpanError, check_identity, sample_id_of
from service.otlp.read_json import identifier_of, list_of, load_document
from service.otlp.read_json import read_attributes as read_json_attributes
from service.otlp.read_json import read_value as read_json_value
from service.otlp.read_protobuf import LOG_RECORD, FieldBudget, read_attributes, read_value
from service.otlp.spans import Attributes, SpanEvent, Unreadable
from service.otlp.values import find_text
from service.otlp.wire import TornMessageError, parts

# Field numbers of ExportLogsServiceRequest, ResourceLogs and ScopeLogs.
_RESOURCE_LOGS, _SCOPE_LOGS, _LOG_RECORDS = 1, 2, 2


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An event, and the span that it happened in."""

    name: str
    trace_id: bytes
    span_id: bytes
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class ReadLogs:
    """The scores among the records, how many other records there were, and what to say of them."""

    batch: Batch
    ignored: int
    warning: str = ""


def read_protobuf_logs(body: bytes) -> Iterator[LogRecord | Unreadable]:
    """The records of an `ExportLogsServiceRequest`, one by one.

    Raises:
        UnreadableExportError: These bytes are no such message.
        TooManyFieldsError: They would take too much memory.
    """
    budget = FieldBudget()
    try:
        for of_resource in parts(memoryview(body), _RESOURCE_LOGS):
            for of_scope in parts(of_resource, _SCOPE_LOGS):
                for held in parts(of_scope, _LOG_RECORDS):
                    budget.spend(held, LOG_RECORD)
                    yield _read_record(bytes(held))
    except TornMessageError:
        raise UnreadableExportError("The body is not an ExportLogsServiceRequest") from None


def _read_record(held: bytes) -> LogRecord | Unreadable:
    try:
        record = logs_pb2.LogRecord.FromString(held)
    except DecodeError:
        return Unreadable("it is not a LogRecord, or holds text that is not UTF-8")
    attributes = read_attributes(record.attributes)
    ids = record.trace_id, record.span_id
    return _record(record.event_name, *ids, attributes, lambda: read_value(record.body))


def read_json_logs(body: bytes) -> Iterator[LogRecord | Unreadable]:
    """The same in JSON.

    Raises:
        UnreadableExportError: These bytes are no such document.
    """
    try:
        yield from _json_records(load_document(body))
    except TypeError as error:
        message = f"The body is not an ExportLogsServiceRequest: {error}"
        raise UnreadableExportError(message) from None


def _json_records(document: dict[str, Any]) -> Iterator[LogRecord | Unreadable]:
    for of_resource in list_of(document, "resourceLogs"):
        for of_scope in list_of(of_resource, "scopeLogs"):
            for record in list_of(of_scope, "logRecords"):
                try:
                    ids = identifier_of(record, "traceId"), identifier_of(record, "spanId")
                    name = record.get("eventName")
                    attributes = read_json_attributes(record)
                    body = partial(read_json_value, record.get("body"))
                    yield _record(name, *ids, attributes, body)
                except (TypeError, ValueError) as error:
                    yield Unreadable(str(error))


def _record(
    name: Any,
    trace_id: bytes,
    span_id: bytes,
    attributes: Attributes,
    read_body: Callable[[], Any],
) -> LogRecord:
    named = name if isinstance(name, str) and name else find_text(("event.name",), attributes)
    if named in TEXT_EVENTS and isinstance(body := read_body(), dict):
        # What an event of a span has as attributes, an event that is a record had as its body.
        attributes = {**body, **attributes}
    return LogRecord(named or "", trace_id, span_id, attributes)


def build_score_batch(records: Iterable[LogRecord | Unreadable], batch_id: UUID) -> ReadLogs:
    """The evaluations among these records as scores of the calls that they belong to."""
    scores: list[ReportedScore] = []
    rejections: list[Remark] = []
    ignored = texts = 0
    for index, record in enumerate(records):
        if isinstance(record, Unreadable):
            rejections.append(Remark(f"/scores/{index}", record.reason))
        elif record.name != EVALUATION:
            ignored += 1
            texts += record.name in TEXT_EVENTS and has_texts(
                SpanEvent(record.name, record.attributes)
            )
        elif isinstance(score := _score(record), str):
            rejections.append(Remark(f"/scores/{index}", score))
        else:
            scores.append(score)
    batch = Batch(batch_id=batch_id, scores=tuple(scores), rejections=tuple(rejections))
    return ReadLogs(batch, ignored, _warning(texts))


def _warning(texts: int) -> str:
    if not texts:
        return ""
    return (
        "Prompts and answers are taken from spans only, and not from log records "
        f"({texts} here hold some); if the spans do not hold them as well, set "
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY in the app"
    )


def _score(record: LogRecord) -> ReportedScore | str:
    try:
        check_identity(record.trace_id, record.span_id)
    except UnusableSpanError as error:
        return f"the call cannot be found: {error}"
    score = read_evaluation(record.attributes, sample_id_of(record.trace_id, record.span_id))
    return score or "it names no evaluator, or says neither a number nor pass or fail"
