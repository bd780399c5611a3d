"""Reading a request's body, with a limit on what it may grow to."""

import zlib
from http import HTTPStatus

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import InvalidInputError


class BodyTooLargeError(InvalidInputError):
    """The body is too large; send several smaller batches."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedEncodingError(InvalidInputError):
    """The body's encoding is not supported."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class BrokenBodyError(InvalidInputError):
    """The body is not what its headers say."""

    status = HTTPStatus.BAD_REQUEST


_GZIP = zlib.MAX_WBITS | 16


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The decompressed body; reading stops where it would grow beyond `max_bytes`."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise UnsupportedEncodingError(
            f"Content-Encoding {encoding[:40]!r} is not supported; use gzip or none"
        )
    body = bytearray()
    inflater = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    async for chunk in request.stream():
        body += _inflate(inflater, chunk, max_bytes - len(body)) if inflater else chunk
        if len(body) > max_bytes:
            raise BodyTooLargeError(
                f"The body is more than {max_bytes} bytes after decompression; send smaller batches"
            )
    if inflater is not None and not inflater.eof:
        raise BrokenBodyError("The body ends in the middle of its gzip stream")
    return bytes(body)


def _inflate(inflater: "zlib._Decompress", chunk: bytes, room: int) -> bytes:
    try:
        # One byte more than there is room for: enough to know that it is too large.
        return inflater.decompress(chunk, room + 1)
    except zlib.error as error:
        raise BrokenBodyError(f"The body is not gzip: {error}") from None


class LimitBodies:
    """ASGI middleware: no request of any route may send more than `max_bytes`."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count what arrives."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                # Of this class, so that the framework passes it on as it is.
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"The body is more than {self._max_bytes} bytes",
                )
            return message

        await self._app(scope, counted, send)
