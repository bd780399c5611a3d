"""The hooks that are measured: Watchkeeper's, the floors below it, and the peers."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any

from watchkeeper import Watchkeeper

Hook = Callable[[str, str], None]
TEXTS = 512


@dataclass(frozen=True)
class Subject:
    """Something that is handed calls."""

    name: str
    record: Hook
    flush: Callable[[], Any]
    burst: int
    """Calls in a row that its queue takes by default, so that all of them are exported."""
    close: Callable[[], Any]


def texts() -> list[tuple[str, str]]:
    """Prompts of 320 and answers of 1,100 characters, of words as frequent as in a language (Zipf):
    text that compresses about as real text does."""
    chance = random.Random(7)
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(1_500)]
    weights = [1 / rank for rank in range(1, 1_501)]

    def text(length: int) -> str:
        return " ".join(chance.choices(words, weights, k=length // 2))[:length]

    return [(text(320), text(1_100)) for _ in range(TEXTS)]


def watchkeeper(url: str, max_queue: int = 10_000) -> tuple[Subject, Watchkeeper]:
    wk = Watchkeeper(url, "wk_benchmark", app="benchmark", max_queue=max_queue)

    def record(prompt: str, answer: str) -> None:
        wk.record(
            task="answer",
            prompt=prompt,
            response=answer,
            model="gpt-4",
            latency_ms=812.0,
            input_tokens=90,
            output_tokens=300,
        )

    return Subject("watchkeeper", record, lambda: wk.flush(30), 8_000, wk.shutdown), wk


class Floor:
    """The least that a client can do whose `record()` has the arguments of ours."""

    def __init__(self) -> None:
        self.queue: deque[tuple[Any, ...]] = deque()

    def record(
        self,
        task: str,
        prompt: object = None,
        response: object = None,
        model: str = "",
        prompt_version: str = "",
        error: object = None,
        latency_ms: float | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        reference: object = None,
        finish_reason: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        attributes: object = None,
        called_at: object = None,
        sample_id: object = None,
        flag: bool = False,
        trace_id: str | None = None,
    ) -> None:
        # fmt: off
        self.queue.append((
            time(), called_at, task, model, prompt_version, error, input_tokens, output_tokens,
            cost_usd, latency_ms, prompt, response, reference, finish_reason, session_id, user_id,
            attributes, sample_id, flag, trace_id,
        ))
        # fmt: on


def called_floor() -> Subject:
    floor = Floor()

    def record(prompt: str, answer: str) -> None:
        floor.record(
            task="answer",
            prompt=prompt,
            response=answer,
            model="gpt-4",
            latency_ms=812.0,
            input_tokens=90,
            output_tokens=300,
        )

    return Subject("floor", record, floor.queue.clear, 8_000, floor.queue.clear)


def inline_floor() -> Subject:
    """The same tuple appended on the spot: no hook that is called, as all must be, gets there."""
    queue: deque[tuple[Any, ...]] = deque()

    def record(prompt: str, answer: str) -> None:
        # fmt: off
        queue.append((
            time(), None, "answer", "gpt-4", "", None, 90, 300, None, 812.0, prompt, answer,
            None, None, None, None, None, None, False, None,
        ))
        # fmt: on

    return Subject("inline_floor", record, queue.clear, 8_000, queue.clear)


def opentelemetry(url: str) -> Subject:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("benchmark")

    def record(prompt: str, answer: str) -> None:
        span = tracer.start_span("chat gpt-4")
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.request.model", "gpt-4")
        span.set_attribute("gen_ai.usage.input_tokens", 90)
        span.set_attribute("gen_ai.usage.output_tokens", 300)
        span.set_attribute("gen_ai.input.messages", prompt)
        span.set_attribute("gen_ai.output.messages", answer)
        span.end()

    return Subject("otel", record, provider.force_flush, 1_500, provider.shutdown)


def langfuse(url: str) -> Subject:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider

    client = Langfuse(
        public_key="pk-benchmark",
        secret_key="sk-benchmark",  # noqa: S106
        base_url=url,
        tracer_provider=TracerProvider(),
    )

    def record(prompt: str, answer: str) -> None:
        generation = client.start_observation(
            name="answer",
            as_type="generation",
            model="gpt-4",
            input=prompt,
            output=answer,
            usage_details={"input": 90, "output": 300},
        )
        generation.end()

    return Subject("langfuse", record, client.flush, 1_000, client.shutdown)
