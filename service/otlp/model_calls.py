"""Which spans are calls of a model that answers, and what such a call was."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from service.domain.calls import NewSample
from service.otlp.contents import Content, is_content, read_content
from service.otlp.messages import from_json
from service.otlp.sampling import SMALLEST, KeepProbability
from service.otlp.spans import STATUS_ERROR, Attributes, Span
from service.otlp.values import (
    TEXT_CHARACTERS,
    cut_bytes,
    find_count,
    find_number,
    find_text,
    find_value,
    number_of,
)

_ANSWERING = frozenset({"chat", "text_completion", "generate_content", "completion", "responses"})
"""Operations whose outcome is an answer. Embeddings, agents, tools and retrievers are none."""
_MODELS = ("gen_ai.response.model", "llm.response.model_name", "llm.response.model")
_ASKED_MODELS = ("gen_ai.request.model", "llm.request.model_name", "llm.request.model")
_TASKS = (
    *("watchkeeper.task", "gen_ai.prompt.name", "gen_ai.agent.name", "agent.name"),
    *("gen_ai.workflow.name", "traceloop.workflow.name", "gen_ai.operation.name"),
)
"""What names the task, best first; then the span's own name does."""
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")
_PROMPT_VERSIONS = (
    *("watchkeeper.prompt_version", "gen_ai.prompt.version", "llm.prompt_template.version"),
)
_SESSIONS = ("gen_ai.conversation.id", "session.id")
_USERS = ("user.id", "enduser.id")
_INPUT_TOKENS = (
    *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    "llm.usage.prompt_tokens",
)
_OUTPUT_TOKENS = (
    *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    *("llm.token_count.completion", "llm.usage.completion_tokens"),
)
_COSTS = ("gen_ai.usage.cost", "llm.cost.total")
_FIRST_TOKEN_S = ("gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_token")
_FINISH_REASONS = (
    *("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
    *("llm.finish_reason", "llm.response.finish_reason"),
)
_SPANS = UUID("5a3ff9a5-6d2c-5d0b-9d5e-0c8f5b1f7f2e")
"""The namespace of sample ids that are made of span ids; any other would do as well."""
_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8
_ATTRIBUTES = 64
_ATTRIBUTE_CHARACTERS = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnusableSpanError(ValueError):
    """A model call that cannot be stored; the message says why."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """The sample of a span, and which of its texts had to be cut."""

    sample: NewSample
    truncated: tuple[str, ...]


def is_model_call(span: Span) -> bool:
    """Whether the span is a call of a model that answers.

    The operation's name decides; older instrumentations, which have none, are known by their
    model and provider.
    """
    attributes = span.attributes
    kind = attributes.get("openinference.span.kind")
    if isinstance(kind, str):
        return kind.upper() == "LLM"
    operation = find_text(("gen_ai.operation.name",), attributes)
    if operation is not None:
        return operation.lower() in _ANSWERING
    if "traceloop.span.kind" in attributes:
        return False  # workflow, task, agent or tool: what surrounds calls
    request = find_text(("llm.request.type", "gen_ai.request.type"), attributes)
    if request is not None:
        return request.lower() in _ANSWERING
    has_model = find_text((*_MODELS, *_ASKED_MODELS, "llm.model_name"), attributes) is not None
    provider = find_text(("gen_ai.provider.name", "gen_ai.system", "llm.vendor"), attributes)
    return has_model and provider is not None


def name_task(span: Span) -> str:
    """The task that a call belongs to."""
    return cut_bytes(find_text(_TASKS, span.attributes, span.resource) or span.name or "unnamed")


def sample_id_of(trace_id: bytes, span_id: bytes) -> UUID:
    """The same span is the same sample, however often and in whatever company it is posted."""
    return uuid5(_SPANS, f"{trace_id.hex()}-{span_id.hex()}")


def read_call(span: Span, probability: KeepProbability) -> ModelCall:
    """The sample that this span is.

    Raises:
        UnusableSpanError: It lacks what every sample needs.
    """
    check_identity(span.trace_id, span.span_id)
    if probability.value < SMALLEST:
        raise UnusableSpanError(f"its sampling probability is below {SMALLEST:g}")
    content = read_content(span)
    long = {"prompt": content.prompt, "response": content.response}
    truncated = tuple(name for name, text in long.items() if text and len(text) > TEXT_CHARACTERS)
    error_type = _error_type(span)
    own = span.attributes
    sample = NewSample(
        sample_id=sample_id_of(span.trace_id, span.span_id),
        called_at=_moment(span.started_ns),
        environment=_dimension(_ENVIRONMENTS, span) or "production",
        task=name_task(span),
        release=_dimension(("service.version",), span) or "",
        model=_dimension((*_MODELS, "llm.model_name", *_ASKED_MODELS), span) or "",
        prompt_version=_dimension(_PROMPT_VERSIONS, span) or "",
        outcome="ok" if error_type is None else "error",
        error_type=error_type,
        prompt=content.prompt and content.prompt[:TEXT_CHARACTERS],
        response=content.response and content.response[:TEXT_CHARACTERS],
        reference=None,
        latency_ms=_latency_ms(span),
        input_tokens=find_count(_INPUT_TOKENS, own),
        output_tokens=find_count(_OUTPUT_TOKENS, own),
        cost_usd=find_number(_COSTS, own),
        finish_reason=_finish_reason(span, content),
        session_id=_dimension(_SESSIONS, span),
        user_id=_dimension(_USERS, span),
        keep_probability=probability.value,
        attributes=_attributes(span, probability, truncated),
    )
    return ModelCall(sample, truncated)


def check_identity(trace_id: bytes, span_id: bytes) -> None:
    """Raise UnusableSpanError where these do not name a span."""
    if len(trace_id) != _TRACE_ID_BYTES or not any(trace_id):
        raise UnusableSpanError("its trace id is not 16 bytes that are not all zero")
    if len(span_id) != _SPAN_ID_BYTES or not any(span_id):
        raise UnusableSpanError("its span id is not 8 bytes that are not all zero")


def _moment(ns: int) -> datetime:
    if not ns:
        raise UnusableSpanError("it has no start time")
    try:
        return _EPOCH + timedelta(microseconds=ns // 1_000)
    except OverflowError:
        raise UnusableSpanError("its start time is not a time that can be stored") from None


def _latency_ms(span: Span) -> float | None:
    elapsed = span.ended_ns - span.started_ns
    return elapsed / 1e6 if elapsed >= 0 else None  # an end that is missing or before the start


def _dimension(names: tuple[str, ...], span: Span) -> str | None:
    found = find_text(names, span.attributes, span.resource)
    return None if found is None else cut_bytes(found)


def _error_type(span: Span) -> str | None:
    told = find_text(("error.type",), span.attributes)
    if told is None and span.status_code != STATUS_ERROR:
        return None
    if told is None:
        told = next(
            (
                name
                for event in span.events
                if event.name == "exception"
                and (name := find_text(("exception.type",), event.attributes)) is not None
            ),
            "error",  # not the status message, which can quote the prompt
        )
    return cut_bytes(told)


def _finish_reason(span: Span, content: Content) -> str | None:
    told = from_json(find_value(_FINISH_REASONS, span.attributes))
    if isinstance(told, list):
        told = next((reason for reason in told if reason), None)
    reason = told if isinstance(told, str) and told else content.finish_reason
    return reason and cut_bytes(reason)


def _attributes(
    span: Span, probability: KeepProbability, truncated: tuple[str, ...]
) -> dict[str, Any]:
    ours: dict[str, Any] = {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "watchkeeper.keep_probability_source": probability.source,
    }
    if truncated:
        ours["watchkeeper.truncated"] = ",".join(truncated)
    asked = find_text(_ASKED_MODELS, span.attributes)
    if asked is not None:
        ours["requested_model"] = cut_bytes(asked)
    first_s = find_number(_FIRST_TOKEN_S, span.attributes)
    if first_s is not None:
        ours["time_to_first_token_ms"] = first_s * 1_000
    for name, value in _plain(span.attributes):
        if len(ours) >= _ATTRIBUTES:
            break
        ours.setdefault(name, value)
    return ours


def _plain(attributes: Attributes) -> Iterator[tuple[str, str | float | bool]]:
    """What else the span tells in short: numbers, truth values and short texts."""
    for name, value in sorted(attributes.items()):
        if is_content(name) or not name or len(name.encode()) > 200:
            continue
        is_short = isinstance(value, str) and len(value) <= _ATTRIBUTE_CHARACTERS
        if isinstance(value, bool) or is_short:
            yield name, value
        elif isinstance(value, int | float) and (number := number_of(value)) is not None:
            yield name, number
