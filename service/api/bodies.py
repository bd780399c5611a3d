"""Reading a request's body, with a limit on what it may grow to."""

import zlib
from http import HTTPStatus

import zstandard
from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.intake import Guest
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
_ZSTD_STEP = 1_048_576  # bytes


async def read_body(request: Request, guest: Guest, *, max_bytes: int) -> bytes:
    """The decompressed body; decompression stops where it would grow beyond `max_bytes`."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "zstd"):
        raise UnsupportedEncodingError(
            f"Content-Encoding {encoding[:40]!r} is not supported; use gzip, zstd or none"
        )
    chunks = []
    async for chunk in request.stream():
        guest.take(len(chunk))
        chunks.append(chunk)
    sent = b"".join(chunks)
    if encoding == "identity":
        return sent
    body = _gunzip(sent, max_bytes) if encoding == "gzip" else _unzstd(sent, max_bytes)
    if len(body) > max_bytes:
        raise BodyTooLargeError(
            f"The body is more than {max_bytes} bytes after decompression; send smaller batches"
        )
    guest.take(len(body))
    return body


def _gunzip(sent: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    try:
        # One byte more than there is room for: enough to know that it is too large.
        body = inflater.decompress(sent, max_bytes + 1)
    except zlib.error as error:
        raise BrokenBodyError(f"The body is not gzip: {error}") from None
    if not inflater.eof and len(body) <= max_bytes:
        raise BrokenBodyError("The body ends in the middle of its gzip stream")
    return body


def _unzstd(sent: bytes, max_bytes: int) -> bytes:
    room = max_bytes + 1
    parts = []
    try:
        with zstandard.ZstdDecompressor().stream_reader(sent) as reader:
            while room and (part := reader.read(min(room, _ZSTD_STEP))):
                parts.append(part)
                room -= len(part)
    except (zstandard.ZstdError, MemoryError) as error:
        raise BrokenBodyError(f"The body is not zstd: {error}") from None
    return b"".join(parts)


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
