"""`POST /v1/samples` and `POST /v1/signals`: where calls, and what users did with them, come in.

These two carry all the traffic, so they stand beside the framework (see `application.py`): what its
middleware does for the others, they do themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import msgspec
from anyio import to_thread
from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service.api import problems
from service.api.bodies import read_body
from service.api.callers import Caller
from service.api.dependencies import Resources, resources_of
from service.api.schemas.batches import (
    read_batch_at_once,
    read_batch_carefully,
    read_signals_at_once,
    read_signals_carefully,
)
from service.api.schemas.receipts import receipt_out
from service.domain.calls import Batch

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class PostBatch:
    """An endpoint that takes one format of batches; the answer leaves after the commit."""

    read_at_once: Callable[..., Batch | None]
    read_carefully: Callable[..., Batch]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Exception as error:
            response = await problems.answer(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        resources = resources_of(request)
        caller = await identify(request, resources)
        caller.require("ingest")
        with resources.room.guest() as guest:
            limit = resources.settings.max_body_bytes
            batch = await self._read(await read_body(request, guest, max_bytes=limit), resources)
            caller.require_app(batch.app)
            resources.callers.admit(caller, batch.items)
            receipt = await resources.intake.store(caller, batch)
        answer = _encode(receipt_out(receipt, caller.sample_rates))
        return Response(answer, HTTPStatus.ACCEPTED, media_type="application/json")

    async def _read(self, body: bytes, resources: Resources) -> Batch:
        max_items = resources.settings.max_samples_per_batch
        batch = self.read_at_once(body, max_items=max_items)
        if batch is not None:
            return batch
        read = partial(self.read_carefully, body, max_items=max_items)
        return await to_thread.run_sync(read, limiter=resources.careful)


async def identify(request: Request, resources: Resources) -> Caller:
    """Who sends this request."""
    authorization = request.headers.get("authorization", "")
    known = resources.callers.remembered(authorization)
    if known is not None:
        return known
    return await run_in_threadpool(resources.callers.look_up, authorization)


ENDPOINTS = {
    "/v1/samples": PostBatch(read_batch_at_once, read_batch_carefully),
    "/v1/signals": PostBatch(read_signals_at_once, read_signals_carefully),
}
# So that another method on one of these paths is refused as such.
ROUTES = [
    Route(path, endpoint, methods=["POST"], include_in_schema=False)
    for path, endpoint in ENDPOINTS.items()
]
