"""What all page routes share: errors as pages, headers, and no posts from other sites."""

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from service.errors import InvalidInputError, WatchkeeperError
from service.web.rendering import render_error

LARGEST_FORM_BYTES = 50_000
HEADERS = {
    # Nothing but our own style sheet is loaded, no script runs, no other site shows us in a frame.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers then hide the origin of our own forms, too.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_log = structlog.get_logger()
_MISSING = {"missing", "string_too_short"}
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ForeignFormError(WatchkeeperError):
    """This form was not sent from our own pages."""

    status = HTTPStatus.FORBIDDEN


class FormTooLargeError(InvalidInputError):
    """The form is too large, or does not say how large it is."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class PageRoute(APIRoute):
    """A route that answers with a page, whatever happens."""

    def get_route_handler(self) -> _Handler:
        """The handler, wrapped."""
        return _as_page(super().get_route_handler())


def _as_page(handle: _Handler) -> _Handler:
    async def handle_page(request: Request) -> Response:
        try:
            if request.method == "POST":
                _check_form(request)
            response = await handle(request)
        except (WatchkeeperError, HTTPException, RequestValidationError) as error:
            response = _page_of(error)
        except (OperationalError, PoolTimeoutError) as error:
            _log.error("database_away", path=request.url.path, error=type(error).__name__)
            response = render_error(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The database does not answer",
                "Nothing was changed. Try again in a moment; if it lasts, look at the database.",
            )
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return handle_page


def _check_form(request: Request) -> None:
    if not _is_ours(request):
        raise ForeignFormError(
            "Open the page here and press the button there; programs use the API under /v1."
        )
    length = request.headers.get("content-length", "")
    if not length.isascii() or not length.isdigit() or int(length[:9]) > LARGEST_FORM_BYTES:
        raise FormTooLargeError(f"A form of at most {LARGEST_FORM_BYTES} bytes is read")


def _is_ours(request: Request) -> bool:
    """Whether our own page sent the form. Browsers tell; who tells nothing is no browser.

    Sec-Fetch-Site comes only over https and from the machine itself, Origin always.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _page_of(error: Exception) -> Response:
    if isinstance(error, WatchkeeperError):
        page: Response = render_error(error.status, error.title, str(error))
        if error.retry_after_s is not None:
            page.headers["Retry-After"] = str(error.retry_after_s)
        return page
    if isinstance(error, RequestValidationError):
        reasons = [_reason(found) for found in error.errors()]
        return render_error(
            HTTPStatus.UNPROCESSABLE_ENTITY, "This cannot be shown", "; ".join(reasons)
        )
    assert isinstance(error, HTTPException)  # noqa: S101 - no other class is caught above
    status = HTTPStatus(error.status_code)
    return render_error(status, status.phrase, str(error.detail))


def _reason(found: Mapping[str, Any]) -> str:
    field = found["loc"][-1]
    if field == "by" and found["type"] in _MISSING:
        return "Give your name, so that others see who it was"
    return f"{field}: {found['msg']}"
