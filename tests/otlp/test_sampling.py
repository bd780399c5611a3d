import random
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace._sampling_experimental import (
    composable_traceid_ratio_based,
    composite_sampler,
)
from opentelemetry.trace import Tracer

from service.domain.kept_calls import calls_of, count_kept
from tests.otlp.sent import CHAT, a_span, exported, read_exported, sample_of


def told(span: dict[str, Any], rate: float | None = None) -> tuple[float, object]:
    sample = sample_of(span, rate=rate)
    source = sample.attributes["watchkeeper.keep_probability_source"]
    return round(sample.keep_probability, 9), source


@pytest.mark.parametrize(
    ("trace_state", "probability"),
    [
        ("ot=th:0", 1.0),
        ("ot=th:8", 0.5),
        ("ot=th:c", 0.25),
        ("vendor=x:1, ot=rv:fffffffffffffe;th:fd70a4 ,other=y", 0.01),
        ("ot=p:3;r:5", 0.125),
        ("ot=th:c;p:1", 0.25),
    ],
)
def test_tracestate_tells_the_probability(trace_state: str, probability: float) -> None:
    value, source = told(a_span(traceState=trace_state), rate=0.9)
    assert (pytest.approx(value, rel=1e-5), source) == (probability, "tracestate")


@pytest.mark.parametrize(
    "trace_state",
    [
        *("", "ot=", "ot", "ot=th:", "ot=th:xyz", "ot=th:123456789012345", "ot=th:C", "ot=p:63"),
        *("ot=p:-1", "ot=p:²", "vendor=th:8", "ot=rv:ffffffffffffff", "ot=th:c;rv:00000000000001"),
        f"ot=p:{'0' * 5_000}",
    ],
)
def test_a_tracestate_that_tells_nothing_leaves_it_to_the_configuration(trace_state: str) -> None:
    assert told(a_span(traceState=trace_state), rate=0.9) == (0.9, "configured")


def test_a_threshold_that_the_trace_id_would_not_have_passed_is_not_believed() -> None:
    low = "5b8aa5a2d2c872e83200000000000001"
    span = a_span(traceId=low, traceState="ot=th:8")
    assert told(span) == (0.5, "tracestate")  # nobody says that this id is random
    assert told(span | {"flags": 0x103}) == (1.0, "assumed")


@pytest.mark.parametrize(
    "attributes",
    [
        {"sampling.probability": 0.2},
        {"sampler.type": "probabilistic", "sampler.param": 0.2},
        {"SampleRate": 5},
    ],
)
def test_attributes_tell_the_probability(attributes: dict[str, Any]) -> None:
    assert told(a_span(attributes), rate=0.9) == (0.2, "attribute")


@pytest.mark.parametrize(
    "attributes",
    [{"sampling.probability": 0.0}, {"sampling.probability": 1.5}, {"SampleRate": 0}],
)
def test_impossible_attributes_are_not_believed(attributes: dict[str, Any]) -> None:
    assert told(a_span(attributes)) == (1.0, "assumed")


def test_what_the_app_has_configured_holds_where_the_span_tells_nothing() -> None:
    assert told(a_span(), rate=0.25) == (0.25, "configured")
    assert told(a_span()) == (1.0, "assumed")


def test_a_call_stands_for_one_over_its_probability_on_average() -> None:
    draw = random.Random(7)
    ids = [UUID(int=draw.getrandbits(128)) for _ in range(20_000)]
    for probability in (0.3, 0.7, 0.999, 0.01, 1 / 3):
        calls = [calls_of(sample_id, probability) for sample_id in ids]
        assert max(calls) - min(calls) <= 1
        assert sum(calls) / len(ids) == pytest.approx(1 / probability, rel=0.01)
    assert all(calls_of(sample_id, 1.0) == 1 for sample_id in ids)


def test_the_sdk_that_keeps_a_part_of_its_calls_is_counted_as_all_of_them() -> None:
    def act(tracer: Tracer) -> None:
        for _ in range(4_000):
            span = tracer.start_span("chat gpt-4o")
            span.set_attributes(CHAT)  # this sampler loses those that a span begins with
            span.end()

    sampler = composite_sampler(composable_traceid_ratio_based(0.3))
    batch = read_exported(exported(act, sampler=sampler)).batch
    (probability,) = {sample.keep_probability for sample in batch.samples.values()}
    assert probability == pytest.approx(0.3, rel=1e-3)
    counts = [count_kept(sample) for sample in batch.samples.values()]
    calls = sum(count.calls for count in counts)
    assert calls == pytest.approx(4_000, rel=0.15)  # six standard deviations
    assert {sum(count.latency_counts) == count.calls for count in counts} == {True}
