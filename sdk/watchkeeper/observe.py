"""`@observe`: records the calls of a function as they are made."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from datetime import datetime, timezone
from time import perf_counter
from typing import Any, Callable, TypeVar, cast

from watchkeeper import streams

Source = Callable[..., object]
"""Called with the arguments of the observed function."""
_Function = TypeVar("_Function", bound=Callable[..., Any])
_Failed = Callable[[str, Exception], None]


def observe_calls(
    record: Callable[..., None],
    failed: _Failed,
    *,
    fixed: Mapping[str, object],
    from_arguments: Mapping[str, object],
    response: Callable[[Any], object] | None,
) -> Callable[[_Function], _Function]:
    """`from_arguments`: a callable is called with the arguments; other values are taken as is.

    `failed` is told where a callable of the app's raises; the field is then recorded empty.
    """

    def decorate(function: _Function) -> _Function:
        sources = dict(from_arguments)
        sources["prompt"] = sources["prompt"] or first_argument(function)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ObservedCall:
            fields = dict(fixed)
            for field, source in sources.items():
                fields[field] = source
                if callable(source):
                    fields[field] = _guarded(field, failed, source, *args, **kwargs)
            return ObservedCall(record, failed, fields, response)

        return cast(_Function, functools.wraps(function)(_wrapper(function, begin)))

    return decorate


class ObservedCall:
    """One call under way."""

    def __init__(
        self,
        record: Callable[..., None],
        failed: _Failed,
        fields: dict[str, object],
        response: Callable[[Any], object] | None,
    ) -> None:
        self._record = record
        self._failed = failed
        self._fields = fields
        self._response = response
        self._called_at = datetime.now(timezone.utc)
        self._began_s = perf_counter()

    def returned(self, result: object) -> None:
        self._end(None, self._response_of(result, result))

    def streamed(self, pieces: streams.Pieces, error: BaseException | None = None) -> None:
        self._end(error, self._response_of(pieces.seen, pieces.joined()))

    def raised(self, error: BaseException) -> None:
        self._end(error, None)

    def _response_of(self, result: object, otherwise: object) -> object:
        if self._response is None:
            return otherwise
        return _guarded("response", self._failed, self._response, result)

    def _end(self, error: BaseException | None, response: object) -> None:
        self._record(
            **self._fields,
            response=response,
            error=error,
            called_at=self._called_at,
            latency_ms=(perf_counter() - self._began_s) * 1000,
        )


def first_argument(function: Callable[..., Any]) -> Source:
    """Picks the value of the first parameter that is not `self` or `cls`."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some functions of C have no signature
        parameters = []
    place = 1 if parameters and parameters[0].name in ("self", "cls") else 0
    parameter = parameters[place] if len(parameters) > place else None
    name = parameter.name if parameter else ""
    default = parameter.default if parameter else inspect.Parameter.empty
    if default is inspect.Parameter.empty:
        default = None

    def pick(*args: object, **kwargs: object) -> object:
        return args[place] if len(args) > place else kwargs.get(name, default)

    return pick


def _guarded(field: str, failed: _Failed, source: Source, *args: Any, **kwargs: Any) -> object:
    try:
        return source(*args, **kwargs)
    except Exception as error:
        failed(field, error)
        return None


def _wrapper(function: Callable[..., Any], begin: streams.Begin) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return streams.async_generator(function, begin)
    if inspect.isgeneratorfunction(function):
        return streams.generator(function, begin)
    if inspect.iscoroutinefunction(function):

        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            call = begin(args, kwargs)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                call.raised(error)
                raise
            call.returned(result)
            return result

        return awaiting

    def calling(*args: Any, **kwargs: Any) -> Any:
        call = begin(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.raised(error)
            raise
        call.returned(result)
        return result

    return calling
