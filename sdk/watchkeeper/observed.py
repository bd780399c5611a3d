"""`@observe`: records the calls of a function as they are made."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, Callable, TypeVar, cast

from watchkeeper import streams
from watchkeeper.open_call import OpenCall

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
        stated = {**fixed, "task": fixed["task"] or getattr(function, "__name__", "")}
        sources = dict(from_arguments)
        sources["prompt"] = sources["prompt"] or first_argument(function)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ObservedCall:
            fields = dict(stated)
            for field, source in sources.items():
                fields[field] = source
                if callable(source):
                    fields[field] = _guarded(field, failed, source, *args, **kwargs)
            return ObservedCall(record, failed, fields, response)

        return cast(_Function, functools.wraps(function)(_wrapper(function, begin)))

    return decorate


class ObservedCall(OpenCall):
    """One call under way."""

    __slots__ = ("_failed", "_pick")

    def __init__(
        self,
        record: Callable[..., None],
        failed: _Failed,
        fields: dict[str, Any],
        pick: Callable[[Any], object] | None,
    ) -> None:
        super().__init__(record, **fields)
        self._failed = failed
        self._pick = pick

    def returned(self, result: object) -> None:
        self._answered(result, result)

    def streamed(self, pieces: streams.Pieces, error: BaseException | None = None) -> None:
        self._answered(pieces.seen, pieces.joined())
        self.end(error)

    def _answered(self, result: object, otherwise: object) -> None:
        if self.response is not None:  # the function has said so itself, by `current_call()`
            return
        self.response = otherwise
        if self._pick is not None:
            self.response = _guarded("response", self._failed, self._pick, result)


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


def _wrapper(
    function: Callable[..., Any], begin: Callable[..., ObservedCall]
) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return streams.async_generator(function, begin)
    if inspect.isgeneratorfunction(function):
        return streams.generator(function, begin)
    if inspect.iscoroutinefunction(function):

        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            with begin(args, kwargs) as call:
                result = await function(*args, **kwargs)
                call.returned(result)
            return result

        return awaiting

    def calling(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as call:
            result = function(*args, **kwargs)
            call.returned(result)
        return result

    return calling
