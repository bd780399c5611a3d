"""`POST /v1/traces` and `POST /v1/logs`: what any OpenTelemetry instrumentation tells (OTLP/HTTP).

Calls come as spans; evaluations of them as events of the span, or as log records beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from anyio import to_thread
from fastapi import Request
from fastapi.responses import Response
from starlette.routing import Route

from service.api.bodies import UnsupportedEncodingError, read_body
from service.api.callers import Caller
from service.api.dependencies import Resources, resources_of
from service.api.samples import identify
from service.domain.calls import Batch, Remark
from service.otlp.answers import (
    JSON,
    PROTOBUF,
    Encoding,
    spell_rejections,
    write_logs_answer,
    write_traces_answer,
)
from service.otlp.batches import ReadExport, batch_id_of, build_batch
from service.otlp.log_records import (
    ReadLogs,
    build_score_batch,
    read_json_logs,
    read_protobuf_logs,
)
from service.otlp.read_json import read_json
from service.otlp.read_protobuf import read_protobuf

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PostExport:
    """An endpoint that takes one signal; the answer leaves after the commit."""

    read: Callable[[Encoding, bytes, Caller], ReadExport | ReadLogs]
    answer: Callable[[Encoding, int, str], bytes]

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        resources = resources_of(request)
        encoding = encoding_of(request)
        caller = (await identify(request, resources)).require("ingest")
        with resources.room.guest() as guest:
            body = await read_body(request, guest, max_bytes=resources.settings.max_body_bytes)
            guest.take(len(body))  # read, it takes as much again at least
            read = await to_thread.run_sync(
                self.read, encoding, body, caller, limiter=resources.careful
            )
            resources.callers.admit(caller, read.batch.items)
            rejections = await _store(resources, caller, read.batch)
        seen = {"rejected": len(rejections), "ignored": read.ignored}
        taken = {"samples": len(read.batch.samples), "scores": len(read.batch.scores)}
        _log.debug("otlp_export", app=caller.app.name, **taken, **seen)
        told = "; ".join(filter(None, (spell_rejections(rejections), read.warning)))
        answer = self.answer(encoding, len(rejections), told)
        return Response(answer, HTTPStatus.OK, media_type=encoding)


def encoding_of(request: Request) -> Encoding:
    """Which of the two encodings the body is in, and the answer will be.

    Raises:
        UnsupportedEncodingError: Neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == PROTOBUF:
        return PROTOBUF
    if kind == JSON:
        return JSON
    raise UnsupportedEncodingError(f"Send Content-Type: {PROTOBUF} or {JSON}")


def _read_traces(encoding: Encoding, body: bytes, caller: Caller) -> ReadExport:
    spans = read_json(body) if encoding == JSON else read_protobuf(body)
    return build_batch(spans, batch_id_of(body, caller.app.id), caller.sample_rates.of)


def _read_logs(encoding: Encoding, body: bytes, caller: Caller) -> ReadLogs:
    records = read_json_logs(body) if encoding == JSON else read_protobuf_logs(body)
    return build_score_batch(records, batch_id_of(body, caller.app.id))


async def _store(resources: Resources, caller: Caller, batch: Batch) -> tuple[Remark, ...]:
    """What was rejected."""
    if not batch.samples and not batch.scores:
        # Of an app that sends all of its spans and logs, most requests are like this.
        return batch.rejections
    receipt = await resources.intake.store(caller, batch)
    return receipt.rejections


post_traces = PostExport(_read_traces, write_traces_answer)
post_logs = PostExport(_read_logs, write_logs_answer)

ROUTES = [
    Route("/v1/traces", post_traces.__call__, methods=["POST"], include_in_schema=False),
    Route("/v1/logs", post_logs.__call__, methods=["POST"], include_in_schema=False),
]
