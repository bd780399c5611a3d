"""Observed generators: what they yield passes through at once, and is joined for the record."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager
from typing import Any, Callable, Protocol

from watchkeeper.repair import TEXT_LIMIT


class Pieces:
    """What a stream has yielded, as far as a sample can hold it."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self._room = TEXT_LIMIT + 1  # one more than fits, so that the cut is marked

    def add(self, piece: object) -> None:
        if self._room > 0:
            self.seen.append(piece)
            # Anything but text counts 1, so that an endless stream of it is bounded too
            self._room -= max(len(piece), 1) if type(piece) is str else 1

    def joined(self) -> object:
        """One text, where all pieces are; otherwise the pieces."""
        if all(type(piece) is str for piece in self.seen):
            return "".join(self.seen)  # type: ignore[arg-type]
        return self.seen


class StreamingCall(Protocol):
    def current(self) -> AbstractContextManager[object]: ...
    def first_token(self) -> None: ...
    def streamed(self, pieces: Pieces, error: BaseException | None = None) -> None: ...


Begin = Callable[[tuple[Any, ...], dict[str, Any]], StreamingCall]


def generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """Passes send(), throw() and close() on as `yield from` would (PEP 380); sees each piece."""

    def streaming(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = begin(args, kwargs)
        pieces = Pieces()
        stream = function(*args, **kwargs)
        try:
            with call.current():
                piece = next(stream)
            while True:
                pieces.add(piece)
                call.first_token()
                try:
                    sent = yield piece
                except GeneratorExit:
                    stream.close()
                    raise
                except BaseException as thrown:
                    with call.current():
                        piece = stream.throw(thrown)
                else:
                    with call.current():
                        piece = stream.send(sent)
        except StopIteration as stop:
            call.streamed(pieces)
            return stop.value
        except GeneratorExit:  # the consumer has enough: no error
            call.streamed(pieces)
            raise
        except BaseException as error:
            call.streamed(pieces, error)
            raise

    return streaming


def async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """The same for `async def` with `yield`."""

    async def streaming(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = begin(args, kwargs)
        pieces = Pieces()
        stream = function(*args, **kwargs)
        try:
            with call.current():
                piece = await stream.__anext__()
            while True:
                pieces.add(piece)
                call.first_token()
                try:
                    sent = yield piece
                except GeneratorExit:
                    await stream.aclose()
                    raise
                except BaseException as thrown:
                    with call.current():
                        piece = await stream.athrow(thrown)
                else:
                    with call.current():
                        piece = await stream.asend(sent)
        except StopAsyncIteration:
            call.streamed(pieces)
        except GeneratorExit:
            call.streamed(pieces)
            raise
        except BaseException as error:
            call.streamed(pieces, error)
            raise

    return streaming
