"""Errors of the OTLP routes, as exporters read them: `google.rpc.Status`, not problem details."""

import json

from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import MEDIA_TYPE
from service.otlp.answers import JSON, PROTOBUF, write_status

PATHS = frozenset({"/v1/traces", "/v1/logs"})


class StatusForExporters:
    """ASGI middleware: a problem document on one of `PATHS` becomes a status.

    Beyond all others, because refusals come from middleware, too; headers like `Retry-After` stay.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at the answer."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def translated(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await _status(scope, start, bytes(body))(scope, receive, send)

        await self._app(scope, receive, translated)


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith(MEDIA_TYPE)


def _status(scope: Scope, start: Message, body: bytes) -> Response:
    problem = json.loads(body)
    asked = Headers(scope=scope).get("content-type", "").lower()
    encoding = PROTOBUF if asked.startswith(PROTOBUF) else JSON
    message = f"{problem['title']}: {problem['detail']}"
    status = Response(
        write_status(encoding, start["status"], message), start["status"], media_type=encoding
    )
    for name, value in Headers(raw=start["headers"]).items():
        if name not in {"content-type", "content-length"}:
            status.headers.append(name, value)
    return status
