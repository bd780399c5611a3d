"""Errors that no page's own route answers, as pages: for browsers, and not for programs."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.rendering import render_error
from service.web.routing import HEADERS

_PROBLEM = "application/problem+json"
_WORDS: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "There is no page at this address. See whether it is written as meant, "
    "or begin at the overview.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address cannot be opened like a page, or a form was sent "
    "to one that takes none. Go back and use the page's own links and buttons.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "This is our fault. The server's log has the trace; whoever "
    "runs this service can find it there by the time.",
}
"""What tells a person more than the problem document does."""


class ErrorPages:
    """ASGI middleware: a problem document that a browser asked for as HTML becomes a page.

    What is below /v1 is the API, whoever asks.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at the answer."""
        if scope["type"] != "http" or not _wants_page(scope):
            await self._app(scope, receive, send)
            return
        problem = _Problem()

        async def translated(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_problem(message):
                problem.start = message
            elif problem.start is None:
                await send(message)
            else:
                problem.body += message.get("body", b"")
                if not message.get("more_body", False):
                    await problem.page()(scope, receive, send)

        await self._app(scope, receive, translated)


class _Problem:
    """A problem document on its way out."""

    start: Message | None = None
    body: bytes = b""

    def page(self) -> Response:
        assert self.start is not None  # noqa: S101 - a body follows its start
        document = json.loads(self.body)
        status = int(document["status"])
        detail = _WORDS.get(status, document["detail"])
        page = render_error(status, document["title"], detail)
        for name, value in Headers(raw=self.start["headers"]).items():
            if name not in {"content-type", "content-length"}:
                page.headers.append(name, value)
        for name, value in HEADERS.items():
            page.headers.setdefault(name, value)
        return page


def _wants_page(scope: Scope) -> bool:
    is_api = scope["path"] == "/v1" or scope["path"].startswith("/v1/")
    return not is_api and "text/html" in Headers(scope=scope).get("accept", "").lower()


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith(_PROBLEM)
