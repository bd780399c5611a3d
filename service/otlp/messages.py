"""Chat messages to the plain text that evaluators and people read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.otlp.values import cleaned

_DEEPEST = 8
_REASONING = frozenset({"reasoning", "thinking", "redacted_thinking"})
_CALLS = frozenset({"tool_call", "tool_use", "function_call", "server_tool_call"})
_RESULTS = frozenset({"tool_call_response", "tool_result", "server_tool_call_response"})
_PART_TYPES = {"text", "input_text", "output_text", "image_url", "image"} | (
    _REASONING | _CALLS | _RESULTS
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `finish_reason` only of an answer."""

    role: str
    text: str
    finish_reason: str | None = None


def render_prompt(messages: Sequence[Message]) -> str | None:
    """All of what the model was given: one message as it is, several with their roles.

    >>> render_prompt([Message("system", "Be brief."), Message("user", "Hi")])
    'system: Be brief.\\n\\nuser: Hi'
    """
    said = [message for message in messages if message.text]
    if len(said) < 2:
        return said[0].text if said else None
    return "\n\n".join(f"{message.role or 'user'}: {message.text}" for message in said)


def render_response(messages: Sequence[Message]) -> str | None:
    """The answer. Of several choices the first: joined they would be an answer nobody got."""
    return next((message.text for message in messages if message.text), None)


def find_finish_reason(messages: Sequence[Message]) -> str | None:
    """Why the first of the answers ended."""
    return next((message.finish_reason for message in messages if message.finish_reason), None)


def read_messages(value: Any, role: str = "") -> list[Message]:
    """Messages of any of the conventions: a list, a mapping, JSON of these, or plain text."""
    value = from_json(value)
    if isinstance(value, str):
        return [Message(role, cleaned(value))] if value else []
    items = value if isinstance(value, list) else [value]
    return [message for item in items if (message := _message(item, role)) is not None]


def read_parts(value: Any, role: str) -> list[Message]:
    """One message of a list of parts: system instructions."""
    text = _text_of(from_json(value), 0)
    return [Message(role, cleaned(text))] if text else []


def spell_tool_call(name: Any, arguments: Any) -> str:
    """A call that the model asks for.

    >>> spell_tool_call("get_weather", {"city": "Paris"})
    'get_weather({"city": "Paris"})'
    """
    spelled = arguments if isinstance(arguments, str) else _json(arguments or {})
    return f"{name or 'tool'}({spelled})"


def from_json(value: Any) -> Any:
    """What a text that looks like JSON holds; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def text_of_content(value: Any) -> str:
    """A message's content: text, or parts, perhaps as JSON. An answer that is JSON stays so."""
    held = from_json(value)
    if isinstance(held, list) and held and all(_is_part(item) for item in held):
        return cleaned(_text_of(held, 0))
    return cleaned(value if isinstance(value, str) else _text_of(value, 0))


def _is_part(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") in _PART_TYPES


def _message(item: Any, role: str) -> Message | None:
    if isinstance(item, str):
        return Message(role, cleaned(item))
    if not isinstance(item, dict):
        return None
    # `{"message": {...}, "finish_reason": ...}` is how the choice of a response is written.
    inner = item["message"] if isinstance(item.get("message"), dict) else item
    said = inner.get("role")
    calls = inner.get("tool_calls")
    lines = [
        _text_of(inner["parts"], 0) if "parts" in inner else text_of_content(inner.get("content")),
        *(_tool_call(call) for call in (calls if isinstance(calls, list) else [])),
    ]
    reason = item.get("finish_reason")
    return Message(
        cleaned(said) if isinstance(said, str) else role,
        cleaned("\n".join(line for line in lines if line)),
        cleaned(reason) if isinstance(reason, str) and reason else None,
    )


def _text_of(part: Any, depth: int) -> str:
    if isinstance(part, str):
        return part
    if depth > _DEEPEST:
        return ""
    if isinstance(part, list):
        return "\n".join(text for item in part if (text := _text_of(item, depth + 1)))
    if not isinstance(part, dict):
        return ""
    kind = part.get("type")
    if kind in _REASONING:
        return ""  # not part of the answer
    if kind in _CALLS:
        return _tool_call(part)
    if kind in _RESULTS:
        told = next((part[name] for name in ("response", "result", "content") if name in part), "")
        return told if isinstance(told, str) else _json(told)
    for name in ("content", "text"):
        if text := _text_of(part.get(name), depth + 1):
            return text
    # A picture or a file: that it was there, not what it held.
    return f"[{part.get('modality') or kind}]" if isinstance(kind, str) and kind != "text" else ""


def _tool_call(call: Any) -> str:
    if not isinstance(call, dict):
        return ""
    function = call["function"] if isinstance(call.get("function"), dict) else call
    return spell_tool_call(function.get("name"), function.get("arguments", function.get("input")))


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""
