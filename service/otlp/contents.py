"""What a model was asked and answered, in each of the dialects that instrumentations speak.

current         gen_ai.input.messages, gen_ai.output.messages, gen_ai.system_instructions, on the
                span or on its event gen_ai.client.inference.operation.details
flat            gen_ai.prompt and gen_ai.completion; gen_ai.prompt.0.content ... (OpenLLMetry)
events          gen_ai.user.message, gen_ai.choice ...; gen_ai.content.prompt, ...completion
OpenInference   llm.input_messages.0.message.content ..., input.value, output.value

The first that says anything is taken, for prompt and response each.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from service.otlp.messages import (
    Message,
    find_finish_reason,
    from_json,
    read_messages,
    read_parts,
    render_prompt,
    render_response,
    spell_tool_call,
    text_of_content,
)
from service.otlp.spans import Attributes, Span, SpanEvent
from service.otlp.values import cleaned

DETAILS = "gen_ai.client.inference.operation.details"
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
TEXT_EVENTS = frozenset(
    (DETAILS, *_ROLES, "gen_ai.choice", "gen_ai.content.prompt", "gen_ai.content.completion")
)
"""Events that can hold the texts of a call."""
_INDEXED = re.compile(r"(\d{1,6})\.(.+)")
_PART = re.compile(r"(?:message\.)?contents\.(\d{1,6})\.message_content\.text")
_CALL = re.compile(
    r"(?:message\.)?tool_calls\.(\d{1,6})\.(?:tool_call\.)?(?:function\.)?(name|arguments)"
)
Told = tuple[list[Message], list[Message]]
"""Messages to the model, and from it."""


@dataclass(frozen=True, slots=True)
class Content:
    """The texts of a call; None where nobody captured them."""

    prompt: str | None
    response: str | None
    finish_reason: str | None


def read_content(span: Span) -> Content:
    """The texts of a span, from the dialect that has them."""
    asked: list[Message] = []
    answered: list[Message] = []
    for dialect in _DIALECTS:
        prompts, answers = dialect(span)
        asked = asked if render_prompt(asked) else prompts
        answered = answered if render_response(answered) else answers or answered
        if render_prompt(asked) and render_response(answered):
            break
    return Content(render_prompt(asked), render_response(answered), find_finish_reason(answered))


def has_texts(event: SpanEvent) -> bool:
    """Whether what has come beside its span says what a model was asked or answered."""
    alone = Span(b"", b"", "", 0, "", 0, 0, 0, "", attributes={}, resource={}, events=(event,))
    content = read_content(alone)
    return content.prompt is not None or content.response is not None


def is_content(name: str) -> bool:
    """Whether an attribute of this name holds texts, which belong nowhere but in the sample's."""
    return name == "gen_ai.prompt" or name.startswith(_CONTENT_PREFIXES)


_CONTENT_PREFIXES = (
    *("gen_ai.prompt.", "gen_ai.completion", "gen_ai.input.", "gen_ai.output.messages"),
    *("gen_ai.system_instructions", "gen_ai.tool.definitions", "gen_ai.tool.call."),
    *("gen_ai.content.", "llm.input_messages", "llm.output_messages", "llm.prompts"),
    *("llm.completions", "llm.prompt_template.t", "llm.prompt_template.var", "llm.tools"),
    *("llm.request.functions", "input.", "output.", "traceloop.entity.", "exception."),
)


def _current(span: Span) -> Told:
    for attributes in (span.attributes, *_of_events(span, DETAILS)):
        asked = [
            *read_parts(attributes.get("gen_ai.system_instructions"), "system"),
            *_given(attributes, "gen_ai.input.messages", "user"),
        ]
        answered = _given(attributes, "gen_ai.output.messages", "assistant")
        if asked or answered:
            return asked, answered
    return [], []


def _flat(span: Span) -> Told:
    attributes = span.attributes
    asked = _indexed(attributes, "gen_ai.prompt.", "user")
    answered = _indexed(attributes, "gen_ai.completion.", "assistant")
    return (
        asked or _given(attributes, "gen_ai.prompt", "user"),
        answered or _given(attributes, "gen_ai.completion", "assistant"),
    )


def _events(span: Span) -> Told:
    asked: list[Message] = []
    answered: list[Message] = []
    for event in span.events:
        if event.name in _ROLES:
            asked += _event_messages(event.attributes, _ROLES[event.name])
        elif event.name == "gen_ai.choice":
            answered += _event_messages(event.attributes, "assistant")
        elif event.name == "gen_ai.content.prompt":
            asked += _given(event.attributes, "gen_ai.prompt", "user")
        elif event.name == "gen_ai.content.completion":
            answered += _given(event.attributes, "gen_ai.completion", "assistant")
    return asked, answered


def _open_inference(span: Span) -> Told:
    attributes = span.attributes
    asked = _indexed(attributes, "llm.input_messages.", "user")
    answered = _indexed(attributes, "llm.output_messages.", "assistant")
    return (
        asked or _plain(attributes, "input.value", "user"),
        answered or _plain(attributes, "output.value", "assistant"),
    )


_DIALECTS: tuple[Callable[[Span], Told], ...] = (_current, _flat, _events, _open_inference)


def _of_events(span: Span, name: str) -> Iterator[Attributes]:
    return (event.attributes for event in span.events if event.name == name)


def _given(attributes: Attributes, name: str, role: str) -> list[Message]:
    value = attributes.get(name)
    held = from_json(value)
    if isinstance(value, str) and not _looks_like_messages(held):
        return [Message(role, value)] if value else []
    return read_messages(held, role) if held is not None else []


def _looks_like_messages(value: Any) -> bool:
    """Whether it is messages, and not a prompt or an answer that happens to be JSON."""
    items = value if isinstance(value, list) else [value]
    known = {"role", "parts", "content", "message", "tool_calls"}
    return bool(items) and all(isinstance(item, dict) and known & item.keys() for item in items)


def _plain(attributes: Attributes, name: str, role: str) -> list[Message]:
    value = attributes.get(name)
    return [Message(role, value)] if isinstance(value, str) and value else []


def _event_messages(attributes: Attributes, role: str) -> list[Message]:
    body = from_json(attributes.get("gen_ai.event.content"))
    if isinstance(body, dict):
        return read_messages(body, role)
    message = from_json(attributes.get("message"))
    spread = {**attributes, "message": message} if isinstance(message, dict) else attributes
    calls = from_json(attributes.get("tool_calls"))
    return read_messages({**spread, "tool_calls": calls}, role)


def _indexed(attributes: Attributes, prefix: str, role: str) -> list[Message]:
    """Messages whose fields are attributes: `<prefix>0.role`, `<prefix>0.content` ..."""
    rows: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if name.startswith(prefix) and (match := _INDEXED.fullmatch(name, len(prefix))):
            rows.setdefault(int(match[1]), {})[match[2]] = value
    return [_row_message(rows[index], role) for index in sorted(rows)]


def _row_message(row: dict[str, Any], role: str) -> Message:
    said = _field(row, "role")
    reason = _field(row, "finish_reason")
    content = text_of_content(_field(row, "content"))
    texts = chain([content] if content else _parts(row), _calls(row))
    return Message(
        said if isinstance(said, str) else role,
        cleaned("\n".join(texts)),
        reason if isinstance(reason, str) and reason else None,
    )


def _field(row: dict[str, Any], name: str) -> Any:
    return row.get(name, row.get(f"message.{name}"))


def _parts(row: dict[str, Any]) -> Iterator[str]:
    matches = ((_PART.fullmatch(name), value) for name, value in row.items())
    found = [(int(m[1]), value) for m, value in matches if m and isinstance(value, str)]
    return (text for _, text in sorted(found))


def _calls(row: dict[str, Any]) -> Iterable[str]:
    calls: dict[int, dict[str, Any]] = {}
    for name, value in row.items():
        if match := _CALL.fullmatch(name):
            calls.setdefault(int(match[1]), {})[match[2]] = value
    return (
        spell_tool_call(calls[index].get("name"), calls[index].get("arguments"))
        for index in sorted(calls)
    )
