"""Requests without a server."""

from collections.abc import Iterator

from fastapi import Request
from starlette.types import Message


def request_of(body: bytes, encoding: str) -> Request:
    """A request that brings this body in pieces."""
    pieces = iter([body[start : start + 65_536] for start in range(0, len(body), 65_536)])
    messages = _messages(pieces)

    async def receive() -> Message:
        return next(messages)

    headers = [(b"content-encoding", encoding.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def _messages(pieces: Iterator[bytes]) -> Iterator[Message]:
    yield from ({"type": "http.request", "body": piece, "more_body": True} for piece in pieces)
    yield {"type": "http.request", "body": b"", "more_body": False}
