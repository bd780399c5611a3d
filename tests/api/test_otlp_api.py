import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import zstandard
from google.protobuf.json_format import MessageToJson, Parse
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from sqlalchemy import Engine, func, select
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.flows.create_api_key import create_api_key
from service.flows.match_reported_scores import match_reported_scores
from service.settings import Settings
from service.store import tables
from service.wiring import build_api
from tests.declared import declare_app
from tests.otlp.sent import (
    CHAT,
    NOW,
    RESOURCE,
    TRACE_ID,
    a_log_request,
    a_request,
    a_span,
    an_evaluation_record,
    an_event,
    exported,
)
from tests.serving import serving

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(engine: Engine) -> Iterator[httpx.Client]:
    declare_app(engine)
    key = create_api_key(engine, "support", now=NOW)
    app = build_api(engine, Settings(max_body_bytes=1_000_000), clock=lambda: NOW)
    headers = {"Authorization": f"Bearer {key.secret}"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def rows(engine: Engine, table: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table)))


def calls(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.sum(tables.call_counts.c.calls))) or 0)


def post_json(client: httpx.Client, *spans: Any, **headers: str) -> httpx.Response:
    body = json.dumps(a_request(*spans)).encode()
    return client.post("/v1/traces", content=body, headers=JSON | headers)


def export(client: httpx.Client, act: Callable[[Tracer], None], compression: Compression) -> None:
    """Send spans as an app would: the real SDK and its exporter."""
    exporter = OTLPSpanExporter(
        endpoint=f"{client.base_url}/v1/traces".replace("//v1", "/v1"),
        headers={"Authorization": client.headers["Authorization"]},
        compression=compression,
    )
    provider = TracerProvider(resource=Resource(RESOURCE), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    act(provider.get_tracer("test"))
    assert provider.force_flush()
    provider.shutdown()


def talk(tracer: Tracer) -> None:
    """One call in each of four dialects, within an agent that is no call."""
    with tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "agent"}):
        current = tracer.start_span("chat gpt-4o", attributes=CHAT, start_time=_NS)
        current.set_attribute(
            "gen_ai.input.messages",
            json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi 1"}]}]),
        )
        current.end(_NS + 5_000_000)
        events = tracer.start_span("chat gpt-4o", attributes=CHAT, start_time=_NS)
        events.add_event("gen_ai.user.message", {"content": "Hi 2"})
        events.set_status(StatusCode.ERROR)
        events.end(_NS + 5_000_000)
        flat = {"llm.request.type": "chat", "gen_ai.system": "openai", "gen_ai.prompt": "Hi 3"}
        tracer.start_span("openai.chat", attributes=flat, start_time=_NS).end(_NS + 5_000_000)
        inference = {"openinference.span.kind": "LLM", "input.value": "Hi 4"}
        tracer.start_span("ChatCompletion", attributes=inference, start_time=_NS).end(_NS)


_NS = int(NOW.timestamp()) * 10**9


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_real_exporter_is_understood_in_every_dialect(
    client: httpx.Client, engine: Engine, compression: Compression
) -> None:
    export(client, talk, compression)
    stored = rows(engine, tables.samples)
    assert sorted(row.prompt for row in stored) == ["Hi 1", "Hi 2", "Hi 3", "Hi 4"]
    assert {row.called_at for row in stored} == {NOW}
    assert {(row.environment, row.release) for row in stored} == {("staging", "1.4.0")}
    assert sorted(row.outcome for row in stored) == ["error", "ok", "ok", "ok"]
    assert calls(engine) == 4
    assert len(rows(engine, tables.scoring_jobs)) == 3  # one a task: chat, openai.chat, ...


@pytest.mark.parametrize(
    ("encode", "name"),
    [
        (lambda body: body, "identity"),
        (lambda body: gzip.compress(body, mtime=0), "gzip"),
        (lambda body: zstandard.ZstdCompressor().compress(body), "zstd"),
    ],
    ids=["plain", "gzip", "zstd"],
)
def test_json_is_taken_and_answered_in_json(
    client: httpx.Client, engine: Engine, encode: Callable[[bytes], bytes], name: str
) -> None:
    body = encode(json.dumps(a_request(a_span())).encode())
    answer = client.post("/v1/traces", content=body, headers=JSON | {"Content-Encoding": name})
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    assert len(rows(engine, tables.samples)) == 1


def test_a_retry_of_the_exporter_stores_and_counts_nothing_twice(
    client: httpx.Client, engine: Engine
) -> None:
    body = exported(talk)
    for encoding in ("identity", "gzip"):
        content = body if encoding == "identity" else gzip.compress(body)
        headers = PROTOBUF | {"Content-Encoding": encoding}
        answer = client.post("/v1/traces", content=content, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
    assert len(rows(engine, tables.samples)) == 4
    assert calls(engine) == 4


class LostAnswers:
    """The first answer of an application is lost on its way: the caller gets a 503 instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self.lost = app, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.lost:
            await self._app(scope, receive, send)
            return
        self.lost += 1

        async def forget(_message: Message) -> None: ...

        await self._app(scope, receive, forget)
        await Response(status_code=503, headers={"Retry-After": "0"})(scope, receive, send)


def test_the_real_exporter_sends_again_and_nothing_is_counted_twice(engine: Engine) -> None:
    declare_app(engine)
    key = create_api_key(engine, "support", now=NOW)
    app = LostAnswers(build_api(engine, Settings(), clock=lambda: NOW))
    with (
        serving(app) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key.secret}"}) as client,
    ):
        export(client, talk, Compression.Gzip)
    assert app.lost == 1
    assert (len(rows(engine, tables.samples)), calls(engine)) == (4, 4)


def test_who_sends_too_fast_is_told_when_to_send_again(engine: Engine) -> None:
    declare_app(engine)
    key = create_api_key(engine, "support", now=NOW)
    app = build_api(engine, Settings(rate_limit_per_s=0.01), clock=lambda: NOW)
    headers = PROTOBUF | {"Authorization": f"Bearer {key.secret}"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers) as client:
        answers = [client.post("/v1/traces", content=exported(talk)) for _ in range(3)]
    refused = answers[-1]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert Status.FromString(refused.content).code == 8


def test_a_span_in_two_requests_is_one_call(client: httpx.Client, engine: Engine) -> None:
    post_json(client, a_span(number=1, traceState="ot=th:c"))
    post_json(client, a_span(number=1, traceState="ot=th:c"), a_span(number=2))
    assert (len(rows(engine, tables.samples)), calls(engine)) == (2, 5)


def test_a_kept_call_counts_for_those_that_were_not(client: httpx.Client, engine: Engine) -> None:
    post_json(client, a_span(number=1, traceState="ot=th:c"), a_span({"SampleRate": 5}, number=2))
    samples = rows(engine, tables.samples)
    assert sorted(row.keep_probability for row in samples) == [0.2, 0.25]
    assert calls(engine) == 9
    (count,) = rows(engine, tables.call_counts)
    assert sum(count.latency_counts) == 9


def test_what_the_app_has_declared_holds_for_spans_that_tell_nothing(
    client: httpx.Client, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(tables.apps.update().values(sample_rate=0.25))
    post_json(client, a_span())
    (sample,) = rows(engine, tables.samples)
    assert sample.keep_probability == 0.25
    assert sample.attributes["watchkeeper.keep_probability_source"] == "configured"
    assert calls(engine) == 4


def test_evaluations_become_scores_and_are_counted_once(
    client: httpx.Client, engine: Engine
) -> None:
    evaluation = an_event(
        "gen_ai.evaluation.result",
        gen_ai__evaluation__name="faithful",
        gen_ai__evaluation__score__value=0.2,
        gen_ai__evaluation__explanation="It made something up.",
    )
    span = a_span(events=[evaluation], traceState="ot=th:8")
    post_json(client, span)
    post_json(client, span, a_span(number=2))  # not the same bytes
    (score,) = rows(engine, tables.scores)
    assert (score.evaluator, score.evaluator_version) == ("faithful", "reported")
    assert (score.value, score.passed, score.weight) == (0.2, False, 2.0)
    (minute,) = rows(engine, tables.sli_minutes)
    assert (minute.minute, minute.n, minute.bad_n, minute.w) == (NOW, 1, 1, 2.0)


def test_an_evaluation_that_comes_later_finds_its_call(
    client: httpx.Client, engine: Engine
) -> None:
    post_json(client, a_span())
    evaluation = an_event(
        "gen_ai.evaluation.result",
        gen_ai__evaluation__name="faithful",
        gen_ai__evaluation__score__label="pass",
    )
    for _ in range(2):
        post_json(client, a_span({"n": 1}, events=[evaluation], name="again"))
    (minute,) = rows(engine, tables.sli_minutes)
    assert (minute.n, minute.bad_n, minute.task) == (1, 0, "chat")


def test_what_cannot_be_taken_is_told_and_the_rest_is_stored(
    client: httpx.Client, engine: Engine
) -> None:
    old = a_span(number=2, startTimeUnixNano="1000", endTimeUnixNano="1001")
    answer = post_json(client, a_span(number=1), old, a_span(number=3, traceId="zz"))
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "span 2: traceId is not hexadecimal" in partial["errorMessage"]
    assert "span 1/called_at: is " in partial["errorMessage"]
    assert len(rows(engine, tables.samples)) == calls(engine) == 1


def test_a_partial_success_is_told_in_protobuf(client: httpx.Client) -> None:
    def act(tracer: Tracer) -> None:
        tracer.start_span("chat", attributes=CHAT, start_time=1).end(2)

    answer = client.post("/v1/traces", content=exported(act), headers=PROTOBUF)
    decoded = ExportTraceServiceResponse.FromString(answer.content)
    assert (answer.status_code, decoded.partial_success.rejected_spans) == (200, 1)
    assert "samples are kept for" in decoded.partial_success.error_message


def test_a_request_without_calls_is_taken(client: httpx.Client, engine: Engine) -> None:
    http = {"name": "GET /", "attributes": []}
    answer = post_json(client, a_span() | http)
    assert (answer.status_code, answer.json()) == (200, {})
    assert client.post("/v1/traces", content=b"", headers=PROTOBUF).status_code == 200
    assert rows(engine, tables.samples) == []


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"my secret prompt", PROTOBUF, 400),
        (b"my secret prompt", JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b"secret", {"Content-Type": "text/plain"}, 415),
        (b"secret", PROTOBUF | {"Content-Encoding": "br"}, 415),
        (b"secret", PROTOBUF | {"Content-Encoding": "gzip"}, 400),
        (b"secret", PROTOBUF | {"Authorization": "Bearer wk_unknown"}, 401),
        (b"\x00" * 1_000_001, PROTOBUF, 413),
        (gzip.compress(b" " * 5_000_000), JSON | {"Content-Encoding": "gzip"}, 413),
    ],
    ids=[*map(str, range(9))],
)
def test_an_error_is_told_as_exporters_read_it(
    client: httpx.Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/v1/traces", content=content, headers=headers)
    assert answer.status_code == status
    if headers["Content-Type"] == PROTOBUF["Content-Type"]:
        assert answer.headers["content-type"] == PROTOBUF["Content-Type"]
        message = Status.FromString(answer.content).message
    else:
        message = answer.json()["message"]
    assert message
    assert "secret" not in message


def test_what_postgres_cannot_store_is_no_error(client: httpx.Client, engine: Engine) -> None:
    answer = post_json(
        client,
        a_span({"gen_ai.prompt": "a\x00\ud800", "x\x00": "\x00", "big": 10**400}),
        a_span({"gen_ai.usage.input_tokens": 10**30, "gen_ai.usage.cost": 1e308}, number=2),
        a_span({"session.id": "s" * 5_000, "watchkeeper.task": "t" * 5_000}, number=3),
    )
    assert (answer.status_code, answer.json()) == (200, {})
    assert len(rows(engine, tables.samples)) == 3


def test_many_tokens_of_few_kept_calls_do_not_leave_the_range(
    client: httpx.Client, engine: Engine
) -> None:
    greedy = {"gen_ai.usage.input_tokens": 10**9, "sampling.probability": 1.1e-6}
    spans = [a_span(greedy, number=number) for number in range(1, 300)]
    assert post_json(client, *spans).json() == {}
    (count,) = rows(engine, tables.call_counts)
    assert count.input_tokens == count.calls * 10**9


def post_logs(client: httpx.Client, *records: Any) -> httpx.Response:
    body = json.dumps(a_log_request(*records)).encode()
    return client.post("/v1/logs", content=body, headers=JSON)


def test_evaluations_come_as_log_records_too(client: httpx.Client, engine: Engine) -> None:
    post_json(client, a_span())
    for _ in range(2):
        answer = post_logs(client, an_evaluation_record(value=0.9), {"eventName": "other"})
        assert (answer.status_code, answer.json()) == (200, {})
    (minute,) = rows(engine, tables.sli_minutes)
    assert (minute.evaluator, minute.n, minute.bad_n) == ("faithful", 1, 0)


def test_a_log_record_that_cannot_be_used_is_told(client: httpx.Client) -> None:
    answer = post_logs(client, an_evaluation_record(value=0.9) | {"spanId": ""})
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedLogRecords"] == "1"
    assert partial["errorMessage"].startswith("log record 0: the call cannot be found")


@pytest.mark.parametrize("headers", [JSON, PROTOBUF], ids=["json", "protobuf"])
def test_texts_in_log_records_are_answered_with_a_warning(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name = "gen_ai.user.message"
    record.attributes.add(key="content").value.string_value = "my secret prompt"
    body = request.SerializeToString() if headers == PROTOBUF else MessageToJson(request).encode()
    answer = client.post("/v1/logs", content=body, headers=headers)
    assert answer.status_code == 200
    decoded = ExportLogsServiceResponse()
    if headers == PROTOBUF:
        decoded.ParseFromString(answer.content)
    else:
        Parse(answer.content, decoded)
    assert decoded.partial_success.rejected_log_records == 0
    assert "taken from spans only" in decoded.partial_success.error_message
    assert "secret" not in decoded.partial_success.error_message


def test_the_real_log_exporter_is_understood(client: httpx.Client, engine: Engine) -> None:
    exporter = OTLPLogExporter(
        endpoint=f"{client.base_url}/v1/logs".replace("//v1", "/v1"),
        headers={"Authorization": client.headers["Authorization"]},
        compression=Compression.Gzip,
    )
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("judge").emit(
        event_name="gen_ai.evaluation.result",
        context=set_span_in_context(
            NonRecordingSpan(SpanContext(int(TRACE_ID, 16), 1, False, TraceFlags(1)))
        ),
        attributes={
            "gen_ai.evaluation.name": "faithful",
            "gen_ai.evaluation.score.label": "fail",
        },
    )
    provider.shutdown()
    post_json(client, a_span())
    assert match_reported_scores(engine, now=NOW) == 1
    (score,) = rows(engine, tables.scores)
    assert (score.evaluator, score.value, score.passed) == ("faithful", 0.0, False)
