"""`chat.completions`: the shape that OpenAI gave and many others took over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchkeeper.providers.shape import Answer, Conversation, ToolCalls, get
from watchkeeper.streams import Pieces


class Chat:
    """https://platform.openai.com/docs/api-reference/chat; of several choices the first."""

    api = "chat"

    def prompt(self, arguments: Mapping[str, Any]) -> object:
        return Conversation(arguments.get("messages"))

    def read(self, response: Any) -> Answer:
        choices = get(response, "choices")
        choice = choices[0] if choices else None
        return _with_usage(
            get(response, "usage"),
            Answer(
                text=_text_of(get(choice, "message")),
                model=get(response, "model"),
                finish_reason=get(choice, "finish_reason"),
                response_id=get(response, "id"),
            ),
        )

    def gathering(self) -> ChatGathering:
        return ChatGathering()


class ChatGathering:
    """Of `chat.completion.chunk`s. Usage comes with the last one, if the app asked for it."""

    def __init__(self) -> None:
        self._texts = Pieces()
        self._tools: dict[object, tuple[list[object], Pieces]] = {}
        self._answer = Answer()
        self._usage: object = None

    def add(self, piece: Any) -> bool:
        if self._answer.response_id is None:
            self._answer = self._answer._replace(
                response_id=get(piece, "id"), model=get(piece, "model")
            )
        usage = get(piece, "usage")
        if usage is not None:
            self._usage = usage
        choices = get(piece, "choices")
        if not choices or get(choices[0], "index"):  # None or 0: the first choice
            return False
        reason = get(choices[0], "finish_reason")
        if reason is not None:
            self._answer = self._answer._replace(finish_reason=reason)
        return self._add_delta(get(choices[0], "delta"))

    def _add_delta(self, delta: Any) -> bool:
        text = get(delta, "content") or get(delta, "refusal")
        if text:
            self._texts.add(text)
            return True
        calls = get(delta, "tool_calls")
        for call in calls or ():
            names, arguments = self._tools.setdefault(get(call, "index"), ([], Pieces()))
            function = get(call, "function") or get(call, "custom")
            if get(function, "name"):
                names.append(get(function, "name"))
            arguments.add(get(function, "arguments") or get(function, "input") or "")
        return bool(calls)

    def answer(self) -> Answer:
        text: object = self._texts.joined() if self._texts.seen else None
        if text is None and self._tools:
            calls = [(names[0] if names else "", a.joined()) for names, a in self._tools.values()]
            text = ToolCalls(calls)
        return _with_usage(self._usage, self._answer._replace(text=text))


def _text_of(message: Any) -> object:
    text = get(message, "content") or get(message, "refusal")
    if text:
        return text
    calls = get(message, "tool_calls")
    if not calls:
        return None
    functions = [get(call, "function") or get(call, "custom") for call in calls]
    return ToolCalls([(get(f, "name"), get(f, "arguments") or get(f, "input")) for f in functions])


def _with_usage(usage: Any, answer: Answer) -> Answer:
    if usage is None:
        return answer
    return answer._replace(
        input_tokens=get(usage, "prompt_tokens"),
        output_tokens=get(usage, "completion_tokens"),
        cached_input_tokens=get(get(usage, "prompt_tokens_details"), "cached_tokens"),
    )
