import base64
import json
import random
import tracemalloc
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.trace import StatusCode, Tracer

from service.domain.calls import Remark
from service.otlp import batches
from service.otlp.answers import (
    JSON,
    PROTOBUF,
    spell_rejections,
    write_logs_answer,
    write_status,
    write_traces_answer,
)
from service.otlp.batches import batch_id_of, build_batch
from service.otlp.errors import TooManyFieldsError, UnreadableExportError
from service.otlp.log_records import read_protobuf_logs
from service.otlp.read_json import read_json
from service.otlp.read_protobuf import read_protobuf
from tests.otlp.sent import CHAT, a_request, a_span, exported, read


def converse(tracer: Tracer) -> None:
    with tracer.start_as_current_span("agent"):
        span = tracer.start_span("chat gpt-4o", attributes=CHAT | {"ratio": 0.5, "ok": True})
        span.set_attribute("gen_ai.response.finish_reasons", ["stop", "length"])
        span.add_event("gen_ai.user.message", {"content": "Hi"})
        span.set_status(StatusCode.ERROR, "broken")
        span.end()


def as_json(body: bytes) -> bytes:
    """The JSON of OTLP: as protocol buffers have it, but ids in hexadecimal."""
    document = MessageToDict(
        ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True
    )
    for of_resource in document["resourceSpans"]:
        for of_scope in of_resource["scopeSpans"]:
            for span in of_scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(document).encode()


def test_both_encodings_of_the_same_spans_are_read_alike() -> None:
    body = exported(converse)
    from_protobuf, from_json = list(read_protobuf(body)), list(read_json(as_json(body)))
    assert from_protobuf == from_json
    assert len(from_protobuf) == 2


@pytest.mark.parametrize(
    "body",
    [
        *(b"\xff\xfe", b"junk", b"[]", b"3", b"", b"\x00", b'{"resourceSpans": 3}'),
        *(b'{"a":' * 100_000, b"[" * 1_000_000, b'{"a": 1' + b"1" * 5_000 + b"}"),
        b'{"resourceSpans": [3]}',
    ],
    ids=[*map(str, range(11))],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableExportError) as caught:
        list(read_json(body))
    assert caught.value.status == 400


def test_what_is_no_message_is_refused_without_being_quoted() -> None:
    with pytest.raises(
        UnreadableExportError, match="is not an ExportTraceServiceRequest"
    ) as caught:
        list(read_protobuf(b"my secret prompt"))
    assert "secret" not in str(caught.value)


def test_a_message_nested_beyond_reason_is_refused_or_cut() -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(200):
        value = {"arrayValue": {"values": [value]}}
    span = a_span()
    span["attributes"].append({"key": "gen_ai.input.messages", "value": value})
    (sample,) = read(span).batch.samples.values()
    assert sample.prompt is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["key", "value", "values", "stringValue", "arrayValue", "kvlistValue"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    field=st.sampled_from(
        [
            *("traceId", "spanId", "name", "attributes", "events", "status", "flags"),
            *("traceState", "startTimeUnixNano", "endTimeUnixNano"),
        ]
    ),
    value=ANYTHING,
    attribute=ANYTHING,
)
def test_whatever_stands_in_one_span_the_other_is_read(
    field: str, value: Any, attribute: Any
) -> None:
    broken = a_span(number=2)
    broken["attributes"].append({"key": "gen_ai.input.messages", "value": attribute})
    body = json.dumps(a_request(broken | {field: value}, a_span())).encode()
    found = build_batch(read_json(body), batch_id_of(body, 1), lambda _: None).batch
    assert 1 in found.samples


def test_bytes_that_were_damaged_on_the_way_are_read_or_refused() -> None:
    body = exported(converse)
    draw = random.Random(3)
    for _ in range(500):
        damaged = bytearray(body)
        for _ in range(draw.randint(1, 8)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        sent = bytes(damaged)
        try:
            found = build_batch(read_protobuf(sent), batch_id_of(sent, 1), lambda _: None)
        except UnreadableExportError:
            continue
        assert len(found.batch.samples) <= 1


def test_the_same_bytes_of_the_same_app_are_the_same_batch() -> None:
    assert batch_id_of(b"x", 1) == batch_id_of(b"x", 1)
    assert len({batch_id_of(b"x", 1), batch_id_of(b"x", 2), batch_id_of(b"y", 1)}) == 3


def test_a_span_that_stands_twice_in_a_request_is_one_call() -> None:
    found = read(a_span(), a_span()).batch
    assert (len(found.samples), found.rejections) == (1, ())


def test_an_answer_says_in_the_asked_encoding_what_was_rejected() -> None:
    answer = ExportTraceServiceResponse.FromString(write_traces_answer(PROTOBUF, 2, "why"))
    assert answer.partial_success.rejected_spans == 2
    assert answer.partial_success.error_message == "why"
    assert json.loads(write_traces_answer(JSON, 2, "why")) == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "why"}
    }


def test_an_answer_to_what_was_taken_whole_has_no_partial_success() -> None:
    assert write_traces_answer(PROTOBUF, 0, "") == write_logs_answer(PROTOBUF, 0, "") == b""
    assert write_traces_answer(JSON, 0, "") == write_logs_answer(JSON, 0, "") == b"{}"


@pytest.mark.parametrize(("status", "code"), [(400, 3), (401, 16), (429, 8), (503, 14), (418, 3)])
def test_an_error_is_a_status_of_grpc(status: int, code: int) -> None:
    message = "é" * 200
    decoded = Status.FromString(write_status(PROTOBUF, status, message))
    assert (decoded.code, decoded.message) == (code, message)
    assert json.loads(write_status(JSON, status, message)) == {"code": code, "message": message}


def test_many_reasons_are_not_all_spelled() -> None:
    remarks = [Remark(f"/samples/{n}", "why") for n in range(8)]
    assert spell_rejections(remarks).endswith("span 4: why; and 3 more")


def test_text_that_is_not_utf8_costs_only_its_span() -> None:
    def act(tracer: Tracer) -> None:
        for prompt in ("good", "broken", "good"):
            tracer.start_span("chat", attributes=CHAT | {"gen_ai.prompt": prompt}).end()

    body = exported(act).replace(b"broken", b"br\xff\xfeen")
    found = build_batch(read_protobuf(body), batch_id_of(body, 1), lambda _: None).batch
    assert [sample.prompt for sample in found.samples.values()] == ["good", "good"]
    (rejection,) = found.rejections
    assert rejection.pointer == "/samples/1"
    assert "not UTF-8" in rejection.reason


def test_the_resource_may_stand_after_its_spans() -> None:
    request = ExportTraceServiceRequest.FromString(exported(converse))
    spans = request.resource_spans[0].SerializeToString()
    resource = request.resource_spans[0].resource
    request.resource_spans[0].ClearField("resource")
    bare = request.resource_spans[0].SerializeToString()
    request.ClearField("resource_spans")
    request.resource_spans.add().resource.CopyFrom(resource)
    turned = bare + request.resource_spans[0].SerializeToString()
    assert turned != spans
    body = b"\x0a" + long_varint(len(turned)) + turned
    (_, span) = sorted(read_protobuf(body), key=lambda span: len(span.attributes), reverse=True)
    assert span.resource["service.version"] == "1.4.0"


def test_a_request_of_nothing_but_empty_spans_takes_no_memory() -> None:
    scope = b"\x12\x00" * 30_000  # two bytes each
    of_resource = b"\x12" + long_varint(len(scope)) + scope
    body = b"\x0a" + long_varint(len(of_resource)) + of_resource
    tracemalloc.start()
    found = build_batch(read_protobuf(body), batch_id_of(body, 1), lambda _: None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.ignored == 30_000
    assert peak < 1_000_000


def test_a_request_of_too_many_fields_is_refused_before_it_takes_memory() -> None:
    span = b"\x5a\x00" * 1_000_001  # empty events
    scope = b"\x12" + long_varint(len(span)) + span
    of_resource = b"\x12" + long_varint(len(scope)) + scope
    body = b"\x0a" + long_varint(len(of_resource)) + of_resource
    with pytest.raises(TooManyFieldsError, match="send fewer") as caught:
        list(read_protobuf(body))
    assert caught.value.status == 413


def test_fields_that_are_hidden_in_a_value_of_an_attribute_are_counted() -> None:
    values = b"\x0a\x00" * 1_000_001  # of a list, two bytes each
    pair = field(1, b"k") + field(2, field(5, values))
    for request in (field(2, field(2, field(9, pair))), field(1, field(1, pair))):
        with pytest.raises(TooManyFieldsError, match="send fewer"):
            list(read_protobuf(field(1, request)))
    with pytest.raises(TooManyFieldsError, match="send fewer"):
        list(read_protobuf_logs(field(1, field(2, field(2, field(6, pair))))))


def test_a_large_text_is_one_field() -> None:
    pair = field(1, b"k") + field(2, field(1, b"\n\n" * 1_000_000))
    (span,) = read_protobuf(field(1, field(2, field(2, field(9, pair)))))
    assert len(span.attributes["k"]) == 2_000_000


def test_json_of_too_many_objects_is_refused_before_it_takes_memory() -> None:
    body = b'{"resourceSpans": [' + b"{}," * 1_000_000 + b"{}]}"
    with pytest.raises(TooManyFieldsError, match="send fewer") as caught:
        list(read_json(body))
    assert caught.value.status == 413


def field(number: int, held: bytes) -> bytes:
    return bytes([number << 3 | 2]) + long_varint(len(held)) + held


def long_varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def test_more_calls_than_one_request_may_hold_are_rejected_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "MOST_CALLS", 2)
    found = read(*(a_span(number=number) for number in range(1, 5))).batch
    assert (len(found.samples), len(found.rejections)) == (2, 2)
