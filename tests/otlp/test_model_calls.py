from datetime import timedelta
from typing import Any

import pytest

from service.domain.kept_calls import count_kept
from service.otlp.values import TEXT_CHARACTERS
from tests.otlp.sent import (
    CHAT,
    NOW,
    START_NS,
    TRACE_ID,
    a_span,
    an_event,
    key_values,
    read,
    sample_of,
)


def test_a_chat_becomes_a_sample_in_our_words() -> None:
    sample = sample_of(
        a_span(
            {
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.usage.input_tokens": 12,
                "gen_ai.usage.output_tokens": 34,
                "gen_ai.response.finish_reasons": ["length"],
                "gen_ai.response.time_to_first_chunk": 0.25,
                "gen_ai.conversation.id": "conversation 7",
                "user.id": "user 3",
                "gen_ai.prompt.name": "answer",
                "gen_ai.request.temperature": 0.2,
            }
        )
    )
    assert (sample.called_at, sample.latency_ms) == (NOW, 1250.0)
    assert (sample.environment, sample.task, sample.release) == ("staging", "answer", "1.4.0")
    assert (sample.model, sample.attributes["requested_model"]) == ("gpt-4o-2024-08-06", "gpt-4o")
    assert (sample.input_tokens, sample.output_tokens) == (12, 34)
    assert (sample.outcome, sample.error_type) == ("ok", None)
    assert sample.finish_reason == "length"
    assert (sample.session_id, sample.user_id) == ("conversation 7", "user 3")
    assert sample.attributes["time_to_first_token_ms"] == 250.0
    assert sample.attributes["gen_ai.request.temperature"] == 0.2
    assert sample.attributes["trace_id"] == TRACE_ID
    assert sample.attributes["span_id"] == "0000000000000001"


def test_openinference_tokens_model_and_cost_are_read() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "claude-5",
        "llm.token_count.prompt": 5,
        "llm.token_count.completion": 7,
        "llm.cost.total": 0.01,
        "session.id": "s",
    }
    sample = sample_of(a_span(name="ChatAnthropic", attributes=None) | open_inference(attributes))
    assert (sample.task, sample.model) == ("ChatAnthropic", "claude-5")
    assert (sample.input_tokens, sample.output_tokens, sample.cost_usd) == (5, 7, 0.01)
    assert sample.session_id == "s"


def open_inference(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"attributes": key_values(attributes)}


@pytest.mark.parametrize(
    ("attributes", "task"),
    [
        ({}, "chat"),
        ({"gen_ai.agent.name": "planner"}, "planner"),
        ({"gen_ai.agent.name": "planner", "gen_ai.prompt.name": "plan"}, "plan"),
        ({"gen_ai.prompt.name": "plan", "watchkeeper.task": "answer"}, "answer"),
        ({"traceloop.workflow.name": "support"}, "support"),
        ({"watchkeeper.task": "é" * 150}, "é" * 100),
    ],
)
def test_the_task_is_named_by_the_best_name_there_is(attributes: dict[str, Any], task: str) -> None:
    assert sample_of(a_span(attributes)).task == task


def test_the_whole_service_can_name_the_task() -> None:
    assert sample_of(a_span(), resource={"watchkeeper.task": "answer"}).task == "answer"


def test_without_any_word_of_it_the_environment_is_production() -> None:
    assert sample_of(a_span(), resource={}).environment == "production"
    assert sample_of(a_span(), resource={"deployment.environment": "qa"}).environment == "qa"


@pytest.mark.parametrize(
    ("changes", "error_type"),
    [
        ({"attributes": key_values(CHAT | {"error.type": "timeout"})}, "timeout"),
        ({"status": {"code": 2, "message": "prompt: secret"}}, "error"),
        ({"status": {"code": "STATUS_CODE_ERROR"}}, "error"),
        (
            {
                "status": {"code": 2},
                "events": [an_event("exception", exception__type="RateLimitError")],
            },
            "RateLimitError",
        ),
    ],
)
def test_a_failed_call_says_how_it_failed(changes: dict[str, Any], error_type: str) -> None:
    sample = sample_of(a_span() | changes)
    assert (sample.outcome, sample.error_type) == ("error", error_type)
    assert "secret" not in str(sample)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o"},
        {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "ada"},
        {"openinference.span.kind": "RETRIEVER", "input.value": "x"},
        {"openinference.span.kind": "CHAIN", "llm.model_name": "gpt-4o"},
        {"traceloop.span.kind": "workflow", "gen_ai.request.model": "gpt-4o"},
        {"llm.request.type": "rerank", "gen_ai.request.model": "x", "gen_ai.system": "y"},
        {"http.request.method": "POST", "url.full": "https://example.com"},
        {"gen_ai.operation.name": 7},
        {},
    ],
)
def test_other_spans_are_ignored_and_not_rejected(attributes: dict[str, Any]) -> None:
    found = read(a_span() | {"attributes": key_values(attributes)})
    assert (found.ignored, found.batch.samples, found.batch.rejections) == (1, {}, ())


@pytest.mark.parametrize(
    "attributes",
    [
        CHAT,
        {"gen_ai.operation.name": "text_completion"},
        {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4"},
        {"llm.request.type": "chat", "gen_ai.request.model": "gpt-4"},
        {"openinference.span.kind": "LLM"},
    ],
)
def test_model_calls_of_every_dialect_are_known(attributes: dict[str, Any]) -> None:
    found = read(a_span() | {"attributes": key_values(attributes)})
    assert (found.ignored, len(found.batch.samples)) == (0, 1)


def test_a_span_has_one_id_whenever_it_is_posted() -> None:
    first, again = sample_of(a_span(number=1)), sample_of(a_span(number=1, name="other"))
    assert first.sample_id == again.sample_id != sample_of(a_span(number=2)).sample_id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"traceId": ""}, "its trace id is not 16 bytes that are not all zero"),
        ({"traceId": "0" * 32}, "its trace id is not 16 bytes that are not all zero"),
        ({"spanId": "abcd"}, "its span id is not 8 bytes that are not all zero"),
        ({"spanId": "xyz"}, "spanId is not hexadecimal"),
        ({"startTimeUnixNano": "0"}, "it has no start time"),
        ({"startTimeUnixNano": -5}, "startTimeUnixNano is not a 64-bit integer"),
        ({"startTimeUnixNano": str(2**64)}, "startTimeUnixNano is not a 64-bit integer"),
        ({"name": 5}, "name is not of its type"),
        ({"attributes": "x"}, "attributes is not of its type"),
        ({"traceState": "ot=th:fffffffffffff8"}, "its sampling probability is below 1e-06"),
    ],
)
def test_a_broken_span_costs_only_itself(changes: dict[str, Any], reason: str) -> None:
    found = read(a_span(number=1), a_span(number=2) | changes, a_span(number=3)).batch
    assert list(found.samples) == [0, 2]
    (rejection,) = found.rejections
    assert (rejection.pointer, rejection.reason) == ("/samples/1", reason)


@pytest.mark.parametrize("span", [None, 3, "span", []])
def test_what_is_no_span_costs_only_itself(span: Any) -> None:
    found = read(a_span(), span).batch
    assert (len(found.samples), len(found.rejections)) == (1, 1)


def test_a_latency_is_told_only_where_the_end_is_after_the_start() -> None:
    assert sample_of(a_span(endTimeUnixNano=str(START_NS - 1))).latency_ms is None
    assert sample_of(a_span(endTimeUnixNano="0")).latency_ms is None


def test_texts_that_are_too_long_lose_their_end_and_say_so() -> None:
    found = read(a_span({"gen_ai.prompt": "x" * 300_000, "gen_ai.completion": "y"})).batch
    (sample,) = found.samples.values()
    assert sample.prompt == "x" * TEXT_CHARACTERS
    assert sample.attributes["watchkeeper.truncated"] == "prompt"
    assert [remark.pointer for remark in found.truncations] == ["/samples/0/prompt"]


def test_nul_and_lone_surrogates_are_replaced_where_they_stand() -> None:
    sample = sample_of(
        a_span(
            {
                "gen_ai.prompt": "a\x00b\ud800c",
                "gen_ai.output.messages": '[{"role": "x\\u0000", "content": "\\ud83d"}]',
                "gen_ai.prompt.name": "ta\x00sk",
                "custom\x00": "\x00",
            }
        )
    )
    assert (sample.prompt, sample.response, sample.task) == ("a�b�c", "�", "ta�sk")
    assert sample.attributes["custom�"] == "�"


def test_values_of_the_wrong_type_are_not_there() -> None:
    sample = sample_of(
        a_span(
            {
                "gen_ai.usage.input_tokens": "many",
                "gen_ai.usage.output_tokens": -3,
                "gen_ai.usage.cost": True,
                "gen_ai.response.model": ["x"],
                "gen_ai.response.finish_reasons": {"a": 1},
                "gen_ai.conversation.id": 7,
            }
        )
    )
    assert (sample.input_tokens, sample.output_tokens, sample.cost_usd) == (None, None, None)
    assert (sample.model, sample.finish_reason, sample.session_id) == ("gpt-4o", None, "7")


def test_prompts_are_nowhere_but_in_the_prompt() -> None:
    secret = "my secret"
    sample = sample_of(
        a_span(
            {
                "gen_ai.prompt": secret,
                "gen_ai.prompt.0.content": secret,
                "gen_ai.input.messages": secret,
                "llm.input_messages.0.message.content": secret,
                "input.value": secret,
                "traceloop.entity.input": secret,
                "gen_ai.tool.call.arguments": secret,
            },
            events=[an_event("gen_ai.content.prompt", gen_ai__prompt=secret)],
        )
    )
    assert secret not in str(sample.attributes)


def test_attributes_are_at_most_sixty_four_and_short() -> None:
    many = {f"custom.{n}": n for n in range(200)} | {"a.long": "x" * 2_000, "b.nan": 1e300}
    attributes = sample_of(a_span(many)).attributes
    assert len(attributes) == 64
    assert not {"a.long", "b.nan"} & attributes.keys()
    assert attributes["trace_id"] == TRACE_ID


def test_calls_are_counted_in_the_minute_they_began_in() -> None:
    sample = sample_of(a_span(startTimeUnixNano=str(START_NS + 59_999_999_999)))
    assert count_kept(sample).slice.minute == NOW
    assert sample.called_at == NOW + timedelta(seconds=59, microseconds=999_999)
