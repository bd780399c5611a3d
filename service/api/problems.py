"""Every error of the API as problem details (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from service.errors import WatchkeeperError

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = 5
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
    app.add_exception_handler(WatchkeeperError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(PoolTimeoutError, _database_away)
    app.add_exception_handler(Exception, _unexpected)


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
    _log.error("database_away", path=request.url.path, error=_first_line(error))
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer. Nothing of this request was stored; send it again.",
        slug="database-away",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    # The text of a database error can quote rows, which hold prompts and answers: not logged.
    shown = type(error).__name__ if isinstance(error, DBAPIError) else repr(error)
    _log.error("unexpected_error", path=request.url.path, error=shown)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "Unexpected error; the server's log has its trace."
    )


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().partition("\n")[0]
