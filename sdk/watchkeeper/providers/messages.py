"""`messages`: Anthropic's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchkeeper.providers.shape import Answer, Conversation, ToolCalls, get
from watchkeeper.streams import Pieces

_TOOL_USES = ("tool_use", "server_tool_use", "mcp_tool_use")


class Messages:
    """https://docs.anthropic.com/en/api/messages"""

    api = "messages"

    def prompt(self, arguments: Mapping[str, Any]) -> object:
        return Conversation(arguments.get("messages"), system=arguments.get("system"))

    def read(self, response: Any) -> Answer:
        return _with_usage(
            get(response, "usage"),
            Answer(
                text=_text_of(get(response, "content") or ()),
                model=get(response, "model"),
                finish_reason=get(response, "stop_reason"),
                response_id=get(response, "id"),
            ),
        )

    def gathering(self) -> MessagesGathering:
        return MessagesGathering()


class MessagesGathering:
    """Of raw events: input tokens come with the first, output tokens and the reason at the end."""

    def __init__(self) -> None:
        self._texts = Pieces()
        self._tools: dict[object, tuple[object, Pieces]] = {}
        self._answer = Answer()

    def add(self, piece: Any) -> bool:
        kind = get(piece, "type")
        if kind == "content_block_delta":
            return self._add_delta(get(piece, "index"), get(piece, "delta"))
        if kind == "content_block_start":
            block = get(piece, "content_block")
            if get(block, "type") in _TOOL_USES:
                self._tools[get(piece, "index")] = (get(block, "name"), Pieces())
        elif kind == "message_start":
            message = get(piece, "message")
            known = Answer(model=get(message, "model"), response_id=get(message, "id"))
            self._answer = _with_usage(get(message, "usage"), known)
        elif kind == "message_delta":
            reason = get(get(piece, "delta"), "stop_reason")
            latest = _with_usage(get(piece, "usage"), self._answer)
            # Here input tokens are often left out, and cumulative where they are not
            input_tokens = latest.input_tokens or self._answer.input_tokens
            self._answer = latest._replace(
                finish_reason=reason,
                input_tokens=input_tokens,
                cached_input_tokens=latest.cached_input_tokens or self._answer.cached_input_tokens,
            )
        return False

    def _add_delta(self, index: object, delta: Any) -> bool:
        text = get(delta, "text")
        if text:
            self._texts.add(text)
            return True
        fragment = get(delta, "partial_json")
        if fragment and index in self._tools:
            self._tools[index][1].add(fragment)
        return bool(fragment)

    def answer(self) -> Answer:
        if self._texts.seen:
            return self._answer._replace(text=self._texts.joined())
        if self._tools:
            calls = [(name, a.joined() if a.seen else {}) for name, a in self._tools.values()]
            return self._answer._replace(text=ToolCalls(calls))
        return self._answer


def _text_of(content: Any) -> object:
    texts: list[str] = []
    calls: list[tuple[object, object]] = []
    for block in content:
        kind = get(block, "type")
        if kind == "text":
            texts.append(get(block, "text") or "")
        elif kind in _TOOL_USES:
            taken = get(block, "input")
            # The app's tool is handed this very dict
            calls.append((get(block, "name"), dict(taken) if type(taken) is dict else taken))
    if any(texts):
        return "".join(texts)
    return ToolCalls(calls) if calls else None


def _with_usage(usage: Any, answer: Answer) -> Answer:
    if usage is None:
        return answer
    fresh = get(usage, "input_tokens")
    cached = get(usage, "cache_read_input_tokens")
    written = get(usage, "cache_creation_input_tokens")
    return answer._replace(
        # Anthropic counts what came from the cache, or went into it, beside; others within
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=get(usage, "output_tokens"),
        cached_input_tokens=cached,
    )
