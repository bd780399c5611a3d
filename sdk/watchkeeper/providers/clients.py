"""A copy of a provider's client whose calls are recorded."""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any, Callable, NamedTuple, TypeVar

from watchkeeper.providers.chat import Chat
from watchkeeper.providers.messages import Messages
from watchkeeper.providers.provider_call import ProviderCall, Recorder
from watchkeeper.providers.responses import Responses
from watchkeeper.providers.shape import Shape
from watchkeeper.providers.streams import AsyncStreamEntrance, StreamEntrance

_Client = TypeVar("_Client")
_ORIGINAL = "_watchkeeper_original"
_RESOURCES = ("chat", "responses", "messages", "beta")


class _Methods(NamedTuple):
    """Which methods of a resource call a model."""

    shape: Shape
    calls: tuple[str, ...] = ("create", "parse")
    # OpenAI's `stream()` calls `create()`; Anthropic's goes its own way
    entrances: tuple[str, ...] = ()


_CHAT = _Methods(Chat())
_RESPONSES = _Methods(Responses())
_MESSAGES = _Methods(Messages(), entrances=("stream",))


def recorded_client(client: _Client, recorder: Recorder) -> _Client | None:
    """A copy of `client` that records its calls; None where it is of no known shape.

    A copy, rather than a proxy or a change of the client itself. A proxy is gone around by all
    that reaches `create()` from the inside: `with_raw_response`, the `stream()` of OpenAI, the tool
    runners; and it is no instance of the client's class. A change would record calls of code that
    holds the same client and did not ask for it. The copy shares the connections and the settings
    at this moment; it is of a subclass made here, so that `with_options()` and `copy()`, which
    make another instance of their own class, give clients that record too. Its resources are made
    when they are first used, as the original's are.
    """
    kind = type(client)
    if any(isinstance(value, _Resource) for value in vars(kind).values()):
        kind = kind.__bases__[0]  # it records already, as this copy shall not
    known = [name for name in _RESOURCES if _has(client, name)]
    try:
        copied = copy.copy(client)
        resources = {name: _resource_of(name, recorder) for name in known}
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
        copied.__class__ = type(kind.__name__, (kind,), {**names, **resources})
        for resource in resources.values():
            resource.base = copied.__class__
        for name in list(vars(copied)):
            if isinstance(getattr(kind, name, None), functools.cached_property):
                del vars(copied)[name]  # made by the original, and bound to it
            elif name in known:
                vars(copied)[name] = _recorded(name, copy.copy(vars(copied)[name]), recorder)
    except Exception:  # not of Python, or with slots: a client that we cannot stand in for
        return None
    return copied if known else None


class _Resource(functools.cached_property[Any]):
    """The resource that the base class makes, with its calls recorded."""

    base: type


def _resource_of(name: str, recorder: Recorder) -> _Resource:
    def resource(client: object) -> Any:
        original = getattr(super(made.base, client), name)
        try:
            # An attribute of the class is held by every instance of it
            shared = getattr(made.base.__base__, name, None) is original
            return _recorded(name, copy.copy(original) if shared else original, recorder)
        except Exception as error:  # it takes no attributes: used as it is
            recorder.failed("client", error)
            return original

    made = _Resource(resource)
    return made


def _has(client: object, name: str) -> bool:
    return name in getattr(client, "__dict__", {}) or hasattr(type(client), name)


def _recorded(name: str, resource: Any, recorder: Recorder) -> Any:
    """Changes the resource, which belongs to the copy alone."""
    if name == "beta":
        for inner in ("chat", "responses", "messages"):
            if hasattr(resource, inner):
                _recorded(inner, _own(resource, inner), recorder)
    elif name == "chat":
        _record_methods(_own(resource, "completions"), _CHAT, recorder)
    else:
        _record_methods(resource, _RESPONSES if name == "responses" else _MESSAGES, recorder)
    return resource


def _own(resource: Any, name: str) -> Any:
    """A part of a resource; a copy, where it is one that the original's may hold too."""
    held = vars(resource)
    if name in held:
        held[name] = copy.copy(held[name])
    return getattr(resource, name, None)


def _record_methods(resource: Any, methods: _Methods, recorder: Recorder) -> None:
    ways = dict.fromkeys(methods.calls, _recorded_call)
    ways.update(dict.fromkeys(methods.entrances, _recorded_entrance))
    for name, recorded in ways.items():
        method = getattr(resource, name, None)
        # Of a client that records already: once is enough, and the latest `wrap()` is meant
        method = getattr(method, _ORIGINAL, method)
        if callable(method):
            observed = recorded(method, methods.shape, recorder)
            setattr(observed, _ORIGINAL, method)
            setattr(resource, name, observed)


def _recorded_call(method: Callable[..., Any], shape: Shape, recorder: Recorder) -> Any:
    if inspect.iscoroutinefunction(inspect.unwrap(method)):

        @functools.wraps(method)
        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            call = ProviderCall(recorder, shape, kwargs)
            try:
                result = await method(*args, **kwargs)
            except BaseException as error:
                call.raised(error)
                raise
            return call.returned(result)

        return awaiting

    @functools.wraps(method)
    def calling(*args: Any, **kwargs: Any) -> Any:
        call = ProviderCall(recorder, shape, kwargs)
        try:
            result = method(*args, **kwargs)
        except BaseException as error:
            call.raised(error)
            raise
        return call.returned(result)

    return calling


def _recorded_entrance(method: Callable[..., Any], shape: Shape, recorder: Recorder) -> Any:
    """`stream()` returns a context manager; the call begins when that is entered."""

    @functools.wraps(method)
    def entering(*args: Any, **kwargs: Any) -> Any:
        entrance = method(*args, **kwargs)
        is_async = hasattr(type(entrance), "__aenter__")
        kind: Any = AsyncStreamEntrance if is_async else StreamEntrance
        return kind(entrance, functools.partial(ProviderCall, recorder, shape, kwargs))

    return entering
