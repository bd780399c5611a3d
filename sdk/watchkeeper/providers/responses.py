"""`responses`: OpenAI's newer API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchkeeper.providers.shape import Answer, Conversation, ToolCalls, get
from watchkeeper.streams import Pieces

_TEXT_DELTAS = ("response.output_text.delta", "response.refusal.delta")
_TOOL_DELTAS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class Responses:
    """https://platform.openai.com/docs/api-reference/responses"""

    api = "responses"

    def prompt(self, arguments: Mapping[str, Any]) -> object:
        asked = arguments.get("input")
        if asked is None:  # a prompt that the provider keeps, or the going on of a conversation
            asked = ""
        return Conversation(asked, system=arguments.get("instructions"))

    def read(self, response: Any) -> Answer:
        usage = get(response, "usage")
        status = get(response, "status")
        failure = get(response, "error")
        return Answer(
            text=_text_of(get(response, "output") or ()),
            model=get(response, "model"),
            input_tokens=get(usage, "input_tokens"),
            output_tokens=get(usage, "output_tokens"),
            cached_input_tokens=get(get(usage, "input_tokens_details"), "cached_tokens"),
            finish_reason=get(get(response, "incomplete_details"), "reason") or status,
            response_id=get(response, "id"),
            error=(get(failure, "code") or "failed") if status == "failed" else None,
        )

    def gathering(self) -> ResponsesGathering:
        return ResponsesGathering(self)


class ResponsesGathering:
    """Of events, the last of which holds the whole response; texts for where it never comes."""

    def __init__(self, shape: Responses) -> None:
        self._shape = shape
        self._texts = Pieces()
        self._answer = Answer()
        self._is_whole = False

    def add(self, piece: Any) -> bool:
        kind = get(piece, "type")
        if kind in _TEXT_DELTAS:
            self._texts.add(get(piece, "delta"))
            return True
        if kind == "response.created":
            response = get(piece, "response")
            self._answer = Answer(model=get(response, "model"), response_id=get(response, "id"))
        elif kind in _ENDS:
            self._answer = self._shape.read(get(piece, "response"))
            self._is_whole = True
        elif kind == "error":
            self._answer = self._answer._replace(error=get(piece, "code") or "error")
        return kind in _TOOL_DELTAS

    def answer(self) -> Answer:
        if self._is_whole or not self._texts.seen:
            return self._answer
        return self._answer._replace(text=self._texts.joined())


def _text_of(output: Any) -> object:
    texts: list[str] = []
    calls: list[tuple[object, object]] = []
    for item in output:
        kind = get(item, "type")
        if kind == "message":
            for part in get(item, "content") or ():
                text = get(part, "text") or get(part, "refusal")
                if text:
                    texts.append(text)
        elif kind in ("function_call", "custom_tool_call"):
            calls.append((get(item, "name"), get(item, "arguments") or get(item, "input")))
    if texts:
        return "".join(texts)
    return ToolCalls(calls) if calls else None
