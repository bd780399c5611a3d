"""Every error of the API as problem details (RFC 9457)."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import telemetry
from service.errors import WatchkeeperError
from service.store.database_errors import is_contention, is_transient

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = 5
_RETRY_CONTENTION_AFTER_S = 1
_log = structlog.get_logger()


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    slug: str = "",
    title: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One problem document."""
    body = {
        "type": f"urn:watchkeeper:problem:{slug or status.phrase.lower().replace(' ', '-')}",
        "title": title or status.phrase,
        "status": status.value,
        "detail": detail,
    }
    return JSONResponse(body, status.value, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of this application as a problem."""
    for kind, respond in _ANSWERS.items():
        app.add_exception_handler(kind, respond)
    app.add_middleware(AnswerUnexpectedErrors)


async def answer(request: Request, error: Exception) -> Response:
    """The problem that this error is, for what stands beside the framework."""
    try:
        for kind, respond in _ANSWERS.items():
            if isinstance(error, kind):
                return await respond(request, error)
    except Exception as same:
        error = same
    return unexpected(request.scope, error)


def unexpected(scope: Scope, error: Exception) -> Response:
    """Log what nobody expected, and the answer to it."""
    seen, trace = telemetry.described(error), telemetry.traced(error)
    _log.error("unexpected_error", route=_route(scope), **seen, trace=trace)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "Unexpected error; the server's log has its trace."
    )


async def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, WatchkeeperError)  # noqa: S101 - registered for this class
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return problem(error.status, str(error), slug=error.slug, title=error.title, headers=headers)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    return problem(HTTPStatus(error.status_code), error.detail, headers=error.headers)


async def _invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    reasons = (
        f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
        for found in error.errors()
    )
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(reasons), slug="invalid-request")


async def _database_away(request: Request, error: Exception) -> Response:
    if not is_transient(error):
        raise error  # it would be the same at the next attempt
    _log.error("database_away", route=_route(request.scope), **telemetry.described(error))
    if is_contention(error):
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Another request wrote the same rows at the same time. Nothing of this request was "
            "stored; send it again.",
            slug="write-conflict",
            headers={"Retry-After": str(_RETRY_CONTENTION_AFTER_S)},
        )
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer. Nothing of this request was stored; send it again.",
        slug="database-away",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )


class AnswerUnexpectedErrors:
    """ASGI middleware: an error that nobody expected is logged and answered, and goes no further.

    A handler registered for `Exception` would not do: the framework raises the error again after
    the answer, and the server prints it with its text, which may quote prompts and answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and meet its error."""
        has_begun = False

        async def noticed(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception as error:
            response = unexpected(scope, error)
            if scope["type"] == "http" and not has_begun:
                await response(scope, receive, send)
            # Where the answer had begun, the server sees that it has no end, and hangs up.


def _route(scope: Scope) -> str:
    """What was asked for, without what the address says of a person."""
    route = scope.get("route")
    return str(scope["path"] if route is None else route.path)


_ANSWERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    WatchkeeperError: _ours,
    HTTPException: _http,
    RequestValidationError: _invalid_request,
    OperationalError: _database_away,
    PoolTimeoutError: _database_away,
}
