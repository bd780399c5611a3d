import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from service.otlp.batches import batch_id_of
from service.otlp.errors import UnreadableExportError
from service.otlp.log_records import (
    ReadLogs,
    build_score_batch,
    read_json_logs,
    read_protobuf_logs,
)
from tests.otlp.sent import (
    TRACE_ID,
    a_log_request,
    an_evaluation_record,
    any_value,
    key_values,
)


def read(*records: Any) -> ReadLogs:
    body = json.dumps(a_log_request(*records)).encode()
    return build_score_batch(read_json_logs(body), batch_id_of(body, 1))


def test_an_evaluation_record_is_a_score_of_the_call_that_its_span_is() -> None:
    (score,) = read(an_evaluation_record(value=0.4, label="relevant")).batch.scores
    (other,) = read(an_evaluation_record(value=0.4, number=2)).batch.scores
    assert (score.evaluator, score.value, score.label) == ("faithful", 0.4, "relevant")
    assert score.sample_id != other.sample_id


def test_the_name_of_an_event_may_stand_among_its_attributes() -> None:
    record = an_evaluation_record(value=1.0)
    name = record.pop("eventName")
    record["attributes"].append({"key": "event.name", "value": {"stringValue": name}})
    assert len(read(record).batch.scores) == 1


def test_other_records_are_ignored() -> None:
    found = read({"body": {"stringValue": "GET /"}}, {"eventName": "gen_ai.user.message"})
    assert (found.ignored, found.batch.scores, found.batch.rejections) == (2, (), ())


def a_text_record(name: str, *, body: Any = None, **attributes: Any) -> dict[str, Any]:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    record = {"eventName": name, "traceId": TRACE_ID, "attributes": key_values(named)}
    return record if body is None else record | {"body": any_value(body)}


@pytest.mark.parametrize(
    "record",
    [
        a_text_record("gen_ai.client.inference.operation.details", gen_ai__input__messages="Hi"),
        a_text_record("gen_ai.user.message", body={"content": "Hi"}),
        a_text_record("gen_ai.choice", body={"index": 0, "message": {"content": "Hello"}}),
        a_text_record("", body={"content": "Hi"}, event__name="gen_ai.user.message"),
    ],
)
def test_texts_that_are_not_taken_are_told(record: dict[str, Any]) -> None:
    found = read(record, an_evaluation_record(value=1.0))
    assert (found.ignored, len(found.batch.scores), found.batch.rejections) == (1, 1, ())
    assert "taken from spans only, and not from log records (1 here hold some)" in found.warning
    assert "SPAN_ONLY" in found.warning


@pytest.mark.parametrize(
    "record",
    [
        a_text_record("gen_ai.user.message"),
        a_text_record("gen_ai.choice", body={"index": 0, "finish_reason": "stop", "message": {}}),
        a_text_record("http.request", body={"content": "Hi"}),
        a_text_record("gen_ai.user.message", body="Hi"),
    ],
)
def test_records_without_texts_are_no_reason_to_warn(record: dict[str, Any]) -> None:
    assert read(record).warning == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spanId": ""}, "the call cannot be found: its span id"),
        ({"traceId": "zz"}, "traceId is not hexadecimal"),
        ({"attributes": []}, "it names no evaluator"),
        ({"attributes": 3}, "attributes is not of its type"),
    ],
)
def test_an_evaluation_that_cannot_be_used_costs_only_itself(
    changes: dict[str, Any], reason: str
) -> None:
    found = read(an_evaluation_record(value=1.0) | changes, an_evaluation_record(value=1.0)).batch
    assert len(found.scores) == 1
    (rejection,) = found.rejections
    assert rejection.pointer == "/scores/0"
    assert rejection.reason.startswith(reason)


def test_protobuf_is_read_like_json() -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name = "gen_ai.evaluation.result"
    record.trace_id, record.span_id = bytes.fromhex(TRACE_ID), (1).to_bytes(8)
    for name, value in (("name", "faithful"), ("score.label", "fail")):
        attribute = record.attributes.add(key=f"gen_ai.evaluation.{name}")
        attribute.value.string_value = value
    body = request.SerializeToString()
    (score,) = build_score_batch(read_protobuf_logs(body), batch_id_of(body, 1)).batch.scores
    assert (score.evaluator, score.value) == ("faithful", 0.0)
    assert score.sample_id == read(an_evaluation_record(value=0.0)).batch.scores[0].sample_id


def test_the_body_of_an_event_is_read_from_protobuf_too() -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name = "gen_ai.user.message"
    record.body.kvlist_value.values.add(key="content").value.string_value = "Hi"
    body = request.SerializeToString()
    assert build_score_batch(read_protobuf_logs(body), batch_id_of(body, 1)).warning


@pytest.mark.parametrize("read_logs", [read_json_logs, read_protobuf_logs])
def test_junk_is_refused(read_logs: Any) -> None:
    with pytest.raises(UnreadableExportError):
        list(read_logs(b"\xffjunk"))
