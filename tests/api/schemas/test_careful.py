"""What is broken is refused by itself, with a pointer to it and a reason that people understand."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.api.schemas.batches import read_batch_at_once, read_batch_carefully
from service.domain.calls import Batch, Remark
from service.errors import InvalidInputError
from tests.posted import batch_in, count_in, instance_in, sample_in, signal_in

LONG = "1" * 10_000
BATCH_ID = "0b5c1a52-0f0e-4c3b-9d0c-6d0a4a3f2b11"  # the same in every test process
SAMPLE_FAULTS: list[tuple[dict[str, str], str, str]] = [
    *(
        ({"latency_ms": number}, "/latency_ms", "must be a finite number")
        for number in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", LONG, "-" + LONG)
    ),
    ({"input_tokens": LONG}, "/input_tokens", "must be a finite number"),
    ({"input_tokens": "1" * 40}, "/input_tokens", "<= 1000000000000"),
    ({"input_tokens": "-1"}, "/input_tokens", ">= 0"),
    ({"input_tokens": "1.5"}, "/input_tokens", "got `float`"),
    ({"cost_usd": "1e16"}, "/cost_usd", "<= 1"),
    ({"cost_usd": '"0.1"'}, "/cost_usd", "got `str`"),
    ({"cost_usd": "true"}, "/cost_usd", "got `bool`"),
    ({"keep_probability": "0"}, "/keep_probability", "> 1e-06"),
    ({"keep_probability": "1.01"}, "/keep_probability", "<= 1"),
    ({"keep_probability": ""}, "/keep_probability", "is required"),
    ({"prompt": r'"a\u0000b"'}, "/prompt", "NUL"),
    ({"prompt": r'"a\ud800b"'}, "/prompt", "lone surrogates"),
    ({"prompt": r'"\udc00\ud800"'}, "/prompt", "lone surrogates"),
    ({"prompt": "[1]"}, "/prompt", "got `array`"),
    ({"task": '""'}, "/task", "length >= 1"),
    ({"task": f'"{"x" * 201}"'}, "/task", "length <= 200"),
    ({"task": "null"}, "/task", "got `null`"),
    *(
        ({name: f'"{"é" * 101}"'}, f"/{name}", "at most 200 bytes")
        for name in (
            *("environment", "task", "release", "model", "prompt_version"),
            *("error_type", "finish_reason", "session_id", "user_id"),
        )
    ),
    ({"outcome": '"fine"'}, "/outcome", "must be one of: ok, error"),
    ({"outcome": f'"{"x" * 9_000}"'}, "/outcome", "must be one of: ok, error"),
    ({"sample_id": '"7"'}, "/sample_id", "Invalid UUID"),
    ({"called_at": '"2026-11-25"'}, "/called_at", "RFC3339"),
    ({"called_at": '"2026-11-25T12:00:00"'}, "/called_at", "timezone"),
    ({"called_at": "1700000000"}, "/called_at", "got `int`"),
    ({"attributes": "[]"}, "/attributes", "got `array`"),
    ({"attributes": '{"a/b~c": {"d": 1}}'}, "/attributes", "got `object`"),
    ({"attributes": r'{"a/b~c": "\u0000"}'}, "/attributes/a~1b~0c", "NUL"),
    ({"attributes": r'{"a/b~c": "\ud800"}'}, "/attributes/a~1b~0c", "lone surrogates"),
    ({"attributes": '{"": 1e999}'}, "/attributes/", "finite"),
    ({"attributes": r'{"\u0000": 1}'}, "/attributes", "NUL"),
    ({"attributes": r'{"\ud800": 1}'}, "/attributes", "lone surrogates"),
    ({"attributes": '{"": 1}'}, "/attributes", "length >= 1"),
    (
        {"attributes": json.dumps(dict.fromkeys(map(str, range(65)), 1))},
        "/attributes",
        "length <= 64",
    ),
    ({"colour": '"red"'}, "/colour", "is not a field here"),
    ({"a/~b": "1"}, "/a~1~0b", "is not a field here"),
    ({"x` - at `$.task": "1"}, "/x` - at `$.task", "is not a field here"),
    ({"a\nb": "1"}, "/a\nb", "is not a field here"),
    ({"x" * 9_000: "1"}, "", "has a field that is not one here: 'xxxxxxxxxxxxxxxxxxxx'..."),
]
COUNT_FAULTS: list[tuple[dict[str, str], str, str]] = [
    ({"calls": "0"}, "/calls", ">= 1"),
    ({"calls": "1000000001"}, "/calls", "<= 1000000000"),
    ({"calls": LONG}, "/calls", "finite"),
    ({"cost_usd": "NaN"}, "/cost_usd", "finite"),
    ({"task": r'"\u0000"'}, "/task", "NUL"),
    ({"model": r'"\ud800"'}, "/model", "lone surrogates"),
    ({"model": f'"{"é" * 101}"'}, "/model", "at most 200 bytes"),
    ({"minute": '"2026-11-25T12:00:01Z"'}, "/minute", "whole minute"),
    ({"minute": '"0001-01-01T00:00:00+14:00"'}, "/minute", "not a time that can be stored"),
    ({"minute": '"9999-12-31T23:59:00-14:00"'}, "/minute", "not a time that can be stored"),
    ({"latency_counts": '{"11": 1}'}, "/latency_counts", "no bucket '11'"),
    ({"latency_counts": '{"10.0": 1}'}, "/latency_counts", "no bucket"),
    ({"latency_counts": r'{"\u0000": 1}'}, "/latency_counts", "no bucket '\\x00'"),
    ({"latency_counts": f'{{"{"x" * 9_000}": 1}}'}, "/latency_counts", "no bucket"),
    ({"latency_counts": '{"10": 6, "inf": 5}'}, "/latency_counts", "more calls than `calls`"),
    ({"latency_counts": '{"10": 0}'}, "/latency_counts", ">= 1"),
]
SIGNAL_FAULTS: list[tuple[dict[str, str], str, str]] = [
    ({"kind": '""'}, "/kind", "length >= 1"),
    ({"kind": r'"\u0000"'}, "/kind", "NUL"),
    ({"kind": f'"{"é" * 101}"'}, "/kind", "at most 200 bytes"),
    ({"value": "NaN"}, "/value", "finite"),
    ({"value": "0"}, "/value", "must be 1 or -1"),
    ({"value": "[]"}, "/value", "got `array`"),
    ({"kind": '"note"', "value": r'"\u0000"'}, "/value", "NUL"),
    ({"kind": '"note"', "value": r'"\ud800"'}, "/value", "lone surrogates"),
    ({"sample_id": "null"}, "/sample_id", "got `null`"),
    ({"signalled_at": '"yesterday"'}, "/signalled_at", "RFC3339"),
]
INSTANCE_FAULTS: list[tuple[dict[str, str], str, str]] = [
    ({"sequence": "0"}, "/sequence", ">= 1"),
    ({"sequence": LONG}, "/sequence", "finite"),
    ({"sdk": f'"{"é" * 101}"'}, "/sdk", "at most 200 bytes"),
    ({"sdk": r'"\u0000"'}, "/sdk", "NUL"),
    ({"started_at": '"0001-01-01T00:00:00+14:00"'}, "/started_at", "not a time"),
    ({"ledger": "{}"}, "/ledger/produced", "is required"),
    ({"ledger": "5"}, "/ledger", "got `int`"),
]


def with_literals(item: dict[str, Any], literals: dict[str, str]) -> str:
    """The item's JSON with those fields written as given; an empty one takes it away."""
    fields = {name: json.dumps(value) for name, value in item.items()} | literals
    written = (f"{json.dumps(name)}: {value}" for name, value in fields.items() if value)
    return "{" + ", ".join(written) + "}"


def read(body: str) -> Batch:
    batch = read_batch_at_once(body.encode(), max_items=10)
    return batch or read_batch_carefully(body.encode(), max_items=10)


def found_at(document: Any, pointer: str) -> Iterator[Any]:
    """Each value on the way to what an RFC 6901 pointer points to."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
        yield document


def expect_fault(body: str, remark: Remark, pointer: str, reason: str) -> None:
    assert remark.pointer == pointer
    assert reason in remark.reason
    assert len(remark.pointer + remark.reason) < 500, "an answer does not repeat what was posted"
    parent = pointer.rpartition("/")[0] if remark.reason == "is required" else pointer
    assert list(found_at(json.loads(body, parse_int=float), parent))


def short(value: object) -> str:
    return repr(value)[:60]


@pytest.mark.parametrize(("literals", "pointer", "reason"), SAMPLE_FAULTS, ids=short)
def test_a_broken_sample_costs_only_itself(
    literals: dict[str, str], pointer: str, reason: str
) -> None:
    body = json.dumps(batch_in(sample_in(), "BROKEN", sample_in()))
    body = body.replace('"BROKEN"', with_literals(sample_in(), literals))
    batch = read(body)
    assert sorted(batch.samples) == [0, 2]
    (remark,) = batch.rejections
    expect_fault(body, remark, "/samples/1" + pointer, reason)


@pytest.mark.parametrize(("literals", "pointer", "reason"), COUNT_FAULTS, ids=short)
def test_a_broken_count_costs_only_itself(
    literals: dict[str, str], pointer: str, reason: str
) -> None:
    body = json.dumps(batch_in(sample_in(), counts=(count_in(), "BROKEN", count_in())))
    body = body.replace('"BROKEN"', with_literals(count_in(), literals))
    batch = read(body)
    assert (sorted(batch.samples), sorted(batch.counts)) == ([0], [0, 2])
    (remark,) = batch.rejections
    expect_fault(body, remark, "/call_counts/1" + pointer, reason)


@pytest.mark.parametrize(("literals", "pointer", "reason"), SIGNAL_FAULTS, ids=short)
def test_a_broken_signal_costs_only_itself(
    literals: dict[str, str], pointer: str, reason: str
) -> None:
    body = json.dumps(batch_in(sample_in(), signals=[signal_in(), "BROKEN", signal_in()]))
    body = body.replace('"BROKEN"', with_literals(signal_in(), literals))
    batch = read(body)
    assert (sorted(batch.samples), sorted(batch.signals)) == ([0], [0, 2])
    (remark,) = batch.rejections
    expect_fault(body, remark, "/signals/1" + pointer, reason)


@pytest.mark.parametrize(("literals", "pointer", "reason"), INSTANCE_FAULTS, ids=short)
def test_a_broken_instance_costs_only_itself(
    literals: dict[str, str], pointer: str, reason: str
) -> None:
    body = json.dumps(batch_in(sample_in(), instance="BROKEN"))
    body = body.replace('"BROKEN"', with_literals(instance_in(), literals))
    batch = read(body)
    assert (sorted(batch.samples), batch.instance) == ([0], None)
    (remark,) = batch.rejections
    expect_fault(body, remark, "/instance" + pointer, reason)


@pytest.mark.parametrize("book", ["dropped", "uncounted"])
def test_a_reason_with_a_nul_costs_only_the_ledger(book: str) -> None:
    body = json.dumps(batch_in(sample_in(), instance=instance_in({book: {"full\x00": 1}})))
    batch = read(body)
    assert (sorted(batch.samples), batch.instance) == ([0], None)
    (remark,) = batch.rejections
    expect_fault(body, remark, f"/instance/ledger/{book}", "NUL")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ('{"batch_id": ', "not JSON: Expecting value at line 1, column 14"),
        ('{"batch_id": "a\nb"}', "Invalid control character at line 1, column 16"),
        (LONG, "The body: Expected `object`"),
        ("null", "The body: Expected `object`, got `null`"),
        ('{"samples": [], "call_counts": []}', "/batch_id: is required"),
        (json.dumps(batch_in(batch_id="7")), "/batch_id: Invalid UUID"),
        (json.dumps(batch_in(batch_id="\ud800")), "lone surrogates"),
        (json.dumps(batch_in(batch_id=BATCH_ID) | {"\ud800": 1}), "lone surrogates"),
        (json.dumps(batch_in(batch_id=BATCH_ID) | {"a/b": 1}), "/a~1b: is not a field here"),
        (
            json.dumps(batch_in(batch_id=BATCH_ID) | {"samples": {}}),
            "/samples: Expected `array`, got `object`",
        ),
        (json.dumps(batch_in(batch_id=BATCH_ID, app=5)), "/app: Expected `str | null`, got `int`"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=short,
)
def test_what_is_no_batch_is_refused_as_a_whole(body: str, reason: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        read(body)
    assert reason in str(error.value)
    assert len(str(error.value)) < 400
