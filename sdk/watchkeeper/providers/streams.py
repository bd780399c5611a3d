"""Streams of a provider: they pass through unchanged, and are seen piece by piece.

The objects stay the provider's own, as apps use much of them (`text_stream`, `get_final_message()`,
`response`): only the iterator that they read from is replaced by one that looks on.
"""

from __future__ import annotations

import contextlib
import functools
from types import TracebackType
from typing import Any, Callable, Protocol


class WatchedCall(Protocol):
    is_reading: bool

    def piece(self, piece: Any) -> None: ...
    def finished(self) -> None: ...
    def raised(self, error: BaseException) -> None: ...
    def abandoned(self) -> None: ...
    def streams(self, stream: Any) -> Any: ...


def observe_stream(stream: Any, call: WatchedCall) -> Any:
    """`stream` itself, where it has an iterator to replace; else one that looks on."""
    inner = getattr(stream, "_iterator", None)
    is_ours_to_replace = hasattr(inner, "__next__") or hasattr(inner, "__anext__")
    source = inner if is_ours_to_replace else stream
    kind: Any = _AsyncPieces if hasattr(source, "__anext__") else _Pieces
    pieces = kind(source, call)
    response = getattr(stream, "response", None)
    if response is not None:
        _end_with(response, call)
    if not is_ours_to_replace:
        return pieces
    stream._iterator = pieces
    return stream


class _Pieces:
    """Looks on. What else an iterator has (`close`, `send`) is the iterator's."""

    def __init__(self, inner: Any, call: WatchedCall) -> None:
        self._inner = inner
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __iter__(self) -> _Pieces:
        return self

    def __next__(self) -> Any:
        call = self._call
        call.is_reading = True
        try:
            piece = next(self._inner)
        except StopIteration:
            call.finished()
            raise
        except BaseException as error:
            call.raised(error)
            raise
        finally:
            call.is_reading = False
        call.piece(piece)
        return piece

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the interpreter, parts of us are gone
            self._call.abandoned()


class _AsyncPieces:
    def __init__(self, inner: Any, call: WatchedCall) -> None:
        self._inner = inner
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __aiter__(self) -> _AsyncPieces:
        return self

    async def __anext__(self) -> Any:
        call = self._call
        call.is_reading = True
        try:
            piece = await self._inner.__anext__()
        except StopAsyncIteration:
            call.finished()
            raise
        except BaseException as error:
            call.raised(error)
            raise
        finally:
            call.is_reading = False
        call.piece(piece)
        return piece

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the interpreter, parts of us are gone
            self._call.abandoned()


def _end_with(response: Any, call: WatchedCall) -> None:
    """A stream that is left in the middle ends when its HTTP response is closed, by whichever of
    the several ways: without this, only when the garbage collector comes by."""
    kind: Any = type(response)
    with contextlib.suppress(AttributeError, TypeError):  # not of Python, or with slots
        response.__class__ = _watched_kind(kind)
        response._watchkeeper_call = call


@functools.lru_cache(maxsize=16)
def _watched_kind(kind: Any) -> type:
    # A subclass, as functions set on the response would hold it: a cycle, which would keep it from
    # being closed by being forgotten
    class Watched(kind):  # type: ignore[misc]
        def close(self) -> None:
            try:
                super().close()
            finally:
                self._watchkeeper_call.abandoned()

        async def aclose(self) -> None:
            try:
                await super().aclose()
            finally:
                self._watchkeeper_call.abandoned()

    Watched.__name__, Watched.__qualname__ = kind.__name__, kind.__qualname__
    Watched.__module__ = kind.__module__
    return Watched


class StreamEntrance:
    """What `messages.stream()` returns: entering it sends the request and gives the stream."""

    def __init__(self, entrance: Any, begin: Callable[[], WatchedCall]) -> None:
        self._entrance = entrance
        self._begin = begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entrance, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._entrance)

    def __enter__(self) -> Any:
        call = self._begin()
        try:
            stream = self._entrance.__enter__()
        except BaseException as error:
            call.raised(error)
            raise
        return _watched(stream, call)

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return self._entrance.__exit__(error_type, error, traceback)


class AsyncStreamEntrance:
    """The same for `async with`."""

    def __init__(self, entrance: Any, begin: Callable[[], WatchedCall]) -> None:
        self._entrance = entrance
        self._begin = begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entrance, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._entrance)

    async def __aenter__(self) -> Any:
        call = self._begin()
        try:
            stream = await self._entrance.__aenter__()
        except BaseException as error:
            call.raised(error)
            raise
        return _watched(stream, call)

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return await self._entrance.__aexit__(error_type, error, traceback)


def _watched(stream: Any, call: WatchedCall) -> Any:
    """The stream that was entered makes its events from a raw one: that is looked on."""
    raw = getattr(stream, "_raw_stream", None)
    if raw is None:
        return call.streams(stream)
    call.streams(raw)
    return stream
