"""What a provider's objects look like, and what is read from them.

Reading is by name, from objects and dicts alike, and happens on the app's thread where it is only
a matter of following references to texts and numbers, which cannot change afterwards. Whatever
has to be put together waits, as a `Deferred`, for the sender's thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from watchkeeper.deferred import Deferred

_BINARY_KINDS = (
    *("image", "image_url", "input_image", "computer_call_output", "audio", "input_audio"),
    *("document", "file", "input_file", "video_url"),
)
_LONGEST_BINARY = 200  # characters of base64 that stay; icons of 1 pixel have about as many


class Answer(NamedTuple):
    """What a provider answered, as far as it is known."""

    text: object = None
    model: object = None
    input_tokens: Any = None
    output_tokens: Any = None
    cached_input_tokens: Any = None
    finish_reason: Any = None
    response_id: object = None
    error: object = None


class Gathering(Protocol):
    """Puts an answer together from the pieces of a stream."""

    def add(self, piece: Any) -> bool:
        """True where the piece brings something that the user was waiting for."""

    def answer(self) -> Answer: ...


class Shape(Protocol):
    """One of the APIs that call a model."""

    @property
    def api(self) -> str:
        """The task of calls for which the app names none."""

    def prompt(self, arguments: Mapping[str, Any]) -> object: ...
    def read(self, response: Any) -> Answer: ...
    def gathering(self) -> Gathering: ...


def get(thing: Any, name: str) -> Any:
    """An attribute or an entry; None where there is none."""
    return thing.get(name) if type(thing) is dict else getattr(thing, name, None)


class Conversation(Deferred):
    """What was sent, as a list of messages, the system's first; images and other binaries as a
    mark of their length. A lone text stays one."""

    __slots__ = ("_messages", "_system")

    def __init__(self, messages: object, system: object = None) -> None:
        if not isinstance(messages, (str, list, tuple)):
            raise TypeError("messages that can be read only once, or are of an unknown form")
        # The app may go on with its list, and with a message of it, while this one waits
        self._messages: str | list[Any] = (
            messages if isinstance(messages, str) else [_held(message) for message in messages]
        )
        self._system = system if isinstance(system, (str, list, tuple)) else None

    def held(self) -> tuple[object, ...]:
        return self._messages, self._system

    def plain(self) -> object:
        if isinstance(self._messages, str):
            if not self._system:
                return self._messages
            messages: list[object] = [{"role": "user", "content": self._messages}]
        else:
            messages = [_plain(message) for message in self._messages]
        system = [{"role": "system", "content": _plain(self._system)}] if self._system else []
        return [*system, *messages]


class ToolCalls(Deferred):
    """An answer without text: which tools with which arguments."""

    __slots__ = ("_calls",)

    def __init__(self, calls: list[tuple[object, object]]) -> None:
        self._calls = calls

    def held(self) -> tuple[object, ...]:
        return (self._calls,)

    def plain(self) -> object:
        return [
            {"name": _plain(name), "arguments": _parsed(arguments)}
            for name, arguments in self._calls
        ]


def _held(message: Any) -> Any:
    """What is kept of a message until it is written: all but images and the like, of which a
    queue of calls would fill the memory. Content in parts is looked through for those alone."""
    if type(message) is not dict:
        return message
    held = message.copy()
    if message.get("type") in _BINARY_KINDS:
        return _plain(held)
    content = held.get("content")
    if type(content) is list:
        held["content"] = [_held(part) for part in content]
    return held


def _parsed(arguments: object) -> object:
    if isinstance(arguments, str):
        try:
            return json.loads(arguments)
        except ValueError:  # a stream that was cut off, or a tool that takes text
            return arguments
    return _plain(arguments)


def _plain(value: Any, key: object = None) -> object:
    if isinstance(value, str):
        return _shortened(value, key)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return f"[{len(value)} bytes]"
    if hasattr(type(value), "model_fields") or hasattr(type(value), "__fields__"):  # of pydantic
        fields = {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
        return {name: _plain(item, name) for name, item in fields.items() if item is not None}
    return f"[{type(value).__name__}]"


def _shortened(text: str, key: object) -> str:
    if len(text) <= _LONGEST_BINARY:
        return text
    if text.startswith("data:"):
        head, comma, _ = text[:_LONGEST_BINARY].partition(",")
        if comma:
            return f"{head},[{len(text) - len(head) - 1} characters]"
    if key in ("data", "file_data", "b64_json", "encrypted_content", "signature"):
        return f"[{len(text)} characters]"
    return text
