import json
from typing import Any

import pytest

from tests.otlp.sent import a_span, an_event, sample_of

ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "name": "get_weather", "arguments": {"city": "Paris"}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "response": "rainy, 57°F"}]},
]
ANSWERED = [
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "The tool said so."},
            {"type": "text", "content": "Rainy, 57°F."},
        ],
        "finish_reason": "stop",
    }
]
CONVERSATION = (
    "system: Be brief.\n\nuser: Weather in Paris?\n\n"
    'assistant: get_weather({"city": "Paris"})\n\ntool: rainy, 57°F'
)


def texts(span: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    sample = sample_of(span)
    return sample.prompt, sample.response, sample.finish_reason


@pytest.mark.parametrize("encode", [json.dumps, lambda value: value], ids=["json", "structured"])
def test_current_messages_are_read_as_json_and_as_structured_values(encode: Any) -> None:
    span = a_span(
        {"gen_ai.input.messages": encode(ASKED), "gen_ai.output.messages": encode(ANSWERED)}
    )
    assert texts(span) == (CONVERSATION, "Rainy, 57°F.", "stop")


def test_system_instructions_stand_before_the_conversation() -> None:
    span = a_span(
        {
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
            "gen_ai.input.messages": json.dumps(
                [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
            ),
        }
    )
    assert texts(span) == ("system: Be brief.\n\nuser: Hi", None, None)


def test_the_details_event_carries_what_the_span_does_not() -> None:
    event = an_event(
        "gen_ai.client.inference.operation.details",
        gen_ai__input__messages=ASKED,
        gen_ai__output__messages=ANSWERED,
    )
    assert texts(a_span(events=[event])) == (CONVERSATION, "Rainy, 57°F.", "stop")


def test_one_event_a_message_is_read() -> None:
    events = [
        an_event("gen_ai.system.message", content="Be brief."),
        an_event("gen_ai.user.message", content="Hi"),
        an_event(
            "gen_ai.choice",
            index=0,
            finish_reason="stop",
            message=json.dumps({"role": "assistant", "content": "Hello."}),
        ),
    ]
    assert texts(a_span(events=events)) == ("system: Be brief.\n\nuser: Hi", "Hello.", "stop")


def test_an_event_may_hold_its_body_as_json() -> None:
    events = [
        an_event("gen_ai.user.message", gen_ai__event__content='{"content": "Hi"}'),
        an_event(
            "gen_ai.choice",
            gen_ai__event__content=json.dumps(
                {"finish_reason": "length", "message": {"content": "Hel"}}
            ),
        ),
    ]
    assert texts(a_span(events=events)) == ("Hi", "Hel", "length")


def test_content_events_are_read() -> None:
    events = [
        an_event("gen_ai.content.prompt", gen_ai__prompt='[{"role": "user", "content": "Hi"}]'),
        an_event("gen_ai.content.completion", gen_ai__completion="Hello."),
    ]
    assert texts(a_span(events=events)) == ("Hi", "Hello.", None)


def test_flat_attributes_of_openllmetry_are_read_in_the_order_of_their_numbers() -> None:
    attributes = {f"gen_ai.prompt.{n}.content": f"line {n}" for n in (10, 2, 0)}
    attributes |= {f"gen_ai.prompt.{n}.role": "user" for n in (0, 2, 10)}
    attributes |= {
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Hello.",
        "gen_ai.completion.0.finish_reason": "stop",
    }
    prompt = "user: line 0\n\nuser: line 2\n\nuser: line 10"
    assert texts(a_span(attributes)) == (prompt, "Hello.", "stop")


def test_flat_parts_and_tool_calls_are_read() -> None:
    span = a_span(
        {
            "gen_ai.prompt.0.content": '[{"type": "text", "text": "What is this?"}]',
            "gen_ai.completion.0.tool_calls.0.name": "look",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"at": 1}',
        }
    )
    assert texts(span) == ("What is this?", 'look({"at": 1})', None)


def test_the_oldest_attributes_are_read() -> None:
    span = a_span({"gen_ai.prompt": "Hi", "gen_ai.completion": "Hello."})
    assert texts(span) == ("Hi", "Hello.", None)


def test_openinference_messages_are_read() -> None:
    span = a_span(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "Hi",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "Hello.",
            "input.value": "not this",
        }
    )
    assert texts(span) == ("system: Be brief.\n\nuser: Hi", "Hello.", None)


def test_openinference_values_stand_in_for_messages() -> None:
    span = a_span(
        {"openinference.span.kind": "LLM", "input.value": "Hi", "output.value": '{"a": [1]}'}
    )
    assert texts(span) == ("Hi", '{"a": [1]}', None)


def test_an_answer_that_is_json_is_left_as_it_is() -> None:
    answer = '[{"city": "Paris"}, {"city": "Rome"}]'
    for attributes in (
        {"gen_ai.completion": answer},
        {"gen_ai.completion.0.content": answer},
        {"gen_ai.output.messages": json.dumps([{"role": "assistant", "content": answer}])},
    ):
        assert texts(a_span(attributes))[1] == answer


def test_of_several_choices_the_first_is_the_answer() -> None:
    choices = [{"role": "assistant", "content": text} for text in ("one", "two")]
    assert texts(a_span({"gen_ai.output.messages": json.dumps(choices)}))[1] == "one"


def test_the_same_words_in_another_dialect_are_not_taken_twice() -> None:
    span = a_span(
        {
            "gen_ai.input.messages": '[{"role": "user", "content": "Hi"}]',
            "gen_ai.prompt.0.content": "Hi",
            "gen_ai.completion.0.content": "Hello.",
        }
    )
    assert texts(span) == ("Hi", "Hello.", None)


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, "[1" + "1" * 5_000 + "]", "[null, 3, [], {}]", "", '{"role": 3}', "[[[1]]]"],
)
def test_messages_that_are_none_never_fail(value: str) -> None:
    prompt = sample_of(a_span({"gen_ai.input.messages": value})).prompt
    assert prompt is None or isinstance(prompt, str)
