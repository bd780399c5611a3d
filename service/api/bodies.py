"""Reading a request's body, with a limit on what it may grow to."""

from http import HTTPStatus

import zstandard
from fastapi import HTTPException, Request
from isal import isal_zlib
from starlette.requests import ClientDisconnect
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


class HungUpError(InvalidInputError):
    """The sender hung up in the middle of its body; send it again."""

    status = HTTPStatus.BAD_REQUEST


_GZIP = isal_zlib.MAX_WBITS | 16
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_STEP = 1_024
"""Bytes that are decompressed at a time: into 32 MB at most, whatever they are."""
_ZSTD_WINDOW = 8_388_608
"""Bytes that a sender may rely on (RFC 9659)."""


async def read_body(request: Request, guest: Guest, *, max_bytes: int) -> bytes:
    """The decompressed body; decompression stops where it would grow beyond `max_bytes`."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "zstd"):
        raise UnsupportedEncodingError(
            f"Content-Encoding {encoding[:40]!r} is not supported; use gzip, zstd or none"
        )
    sent = await _receive(request, guest, max_bytes)
    if encoding == "identity":
        return sent
    body = _gunzip(sent, max_bytes) if encoding == "gzip" else _unzstd(sent, max_bytes)
    if len(body) > max_bytes:
        raise BodyTooLargeError(
            f"The body is more than {max_bytes} bytes after decompression; send smaller batches"
        )
    guest.take(len(body))
    return body


async def _receive(request: Request, guest: Guest, max_bytes: int) -> bytes:
    chunks = []
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > max_bytes:
                raise BodyTooLargeError(f"The body is more than {max_bytes} bytes")
            guest.take(len(chunk))
            chunks.append(chunk)
    except ClientDisconnect:
        # Nobody reads the answer; but it is an everyday event, and no error of ours to be logged.
        raise HungUpError("The sender hung up in the middle of its body") from None
    return b"".join(chunks)


def _gunzip(sent: bytes, max_bytes: int) -> bytes:
    if not sent.startswith(_GZIP_MAGIC):
        raise BrokenBodyError("The body is not gzip")
    # ISA-L: two and a half times as fast as zlib on what the SDK sends.
    inflater = isal_zlib.decompressobj(_GZIP)
    try:
        # One byte more than there is room for: enough to know that it is too large.
        body = inflater.decompress(sent, max_bytes + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # untyped there
        raise BrokenBodyError(f"The body is not gzip: {error}") from None
    if not inflater.eof and len(body) <= max_bytes:
        raise BrokenBodyError("The body ends in the middle of its gzip stream")
    if inflater.unused_data:
        raise BrokenBodyError("The body goes on after the end of its gzip stream")
    return body


def _unzstd(sent: bytes, max_bytes: int) -> bytes:
    # A frame that is one segment needs a window of its whole size.
    window = max(max_bytes, _ZSTD_WINDOW)
    inflater = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
    parts, size, start = [], 0, 0
    try:
        while size <= max_bytes and start < len(sent) and not inflater.eof:
            parts.append(inflater.decompress(sent[start : start + _ZSTD_STEP]))
            size, start = size + len(parts[-1]), start + _ZSTD_STEP
    except zstandard.ZstdError as error:
        raise BrokenBodyError(f"The body is not zstd: {error}") from None
    if size <= max_bytes and not inflater.eof:
        raise BrokenBodyError("The body ends in the middle of its zstd frame")
    if inflater.eof and (inflater.unused_data or start < len(sent)):
        raise BrokenBodyError("The body goes on after the end of its zstd frame")
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
