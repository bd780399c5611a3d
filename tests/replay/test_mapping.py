import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.schemas import items, words
from service.replay import mapping
from service.replay.errors import ReplayUsageError
from service.replay.mapping import FILTERED, Rules, Skip, check_fields, to_sample

UUID_TEXT = "0b5c1a52-0f0e-4c3b-9d0c-6d0a4a3f2b11"


def mapped(field: str, value: Any) -> Any:
    """What becomes of one value: the field's value in the sample, or the skip."""
    sample = to_sample({"c": value}, Rules(((field, "c"),), {}))
    if isinstance(sample, Skip) or not sample:
        return sample
    ((_, found),) = sample.items()
    return found


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("prompt", "Is 7 a prime?", "Is 7 a prime?"),
        ("prompt", [{"role": "user"}], '[{"role": "user"}]'),
        ("response", 7, "7"),
        ("response", "", {}),
        ("reference", None, {}),
        ("latency_s", "1.5", 1500.0),
        ("latency_s", 0.25, 250.0),
        ("latency_ms", " 12 ", 12.0),
        ("cost_usd", "6.2e-05", 6.2e-05),
        ("input_tokens", "12.0", 12),
        ("output_tokens", 12, 12),
        ("output_tokens", "", {}),
        ("outcome", "error", "error"),
        ("model", 4, "4"),
        ("sample_id", UUID_TEXT.upper(), UUID_TEXT),
        ("keep_probability", "0.1", 0.1),
        ("attributes.temperature", "0.1", {"temperature": "0.1"}),
        ("attributes.temperature", 0.1, {"temperature": 0.1}),
        ("attributes.streamed", True, {"streamed": True}),
        ("attributes.tags", ["a"], {"tags": '["a"]'}),
    ],
)
def test_a_value_becomes_what_the_wire_takes(field: str, value: Any, expected: Any) -> None:
    assert mapped(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("prompt", "", "prompt: empty"),
        ("prompt", " \n", "prompt: empty"),
        ("prompt", None, "prompt: empty"),
        ("prompt", "a\x00b", "prompt: NUL character"),
        ("prompt", "\udcff", "prompt: not valid Unicode"),
        ("response", "x" * 262_145, "response: longer than 262144 characters"),
        ("task", "", "task: empty"),
        ("task", "  ", "task: empty"),
        ("outcome", "", "outcome: empty"),
        ("outcome", "success", "outcome: neither 'ok' nor 'error'"),
        ("outcome", ["ok"], "outcome: neither 'ok' nor 'error'"),
        ("model", "é" * 101, "model: longer than 200 bytes"),
        ("model", {"name": "x"}, "model: not a text"),
        ("user_id", "\ud800", "user_id: not valid Unicode"),
        ("latency_s", "fast", "latency_s: not a number"),
        ("latency_s", "nan", "latency_s: not a finite number"),
        ("latency_s", "1e13", "latency_s: too large"),
        ("latency_ms", "-1", "latency_ms: negative"),
        ("latency_ms", True, "latency_ms: not a number"),
        ("cost_usd", "inf", "cost_usd: not a finite number"),
        ("cost_usd", 10**400, "cost_usd: not a number"),
        ("input_tokens", "1.5", "input_tokens: not a whole number"),
        ("input_tokens", "1e300", "input_tokens: too large"),
        ("sample_id", "17", "sample_id: not a UUID"),
        ("sample_id", 17, "sample_id: not a UUID"),
        ("keep_probability", "0", "keep_probability: not a probability in (0, 1]"),
        ("keep_probability", "", "keep_probability: empty"),
        ("attributes.x", float("nan"), "attributes.x: not a finite number"),
    ],
)
def test_a_value_that_the_wire_refuses_is_a_reason(field: str, value: Any, reason: str) -> None:
    assert mapped(field, value) == Skip(reason)


def test_a_column_that_the_row_lacks_is_missing_not_empty() -> None:
    rules = Rules((("prompt", "query"), ("response", "answer")), {})
    assert to_sample({"answer": "x"}, rules) == Skip("prompt: missing")
    assert to_sample({"query": "x"}, rules) == {"prompt": "x"}


@pytest.mark.parametrize(
    ("row", "stays"),
    [
        ({"m": "gpt-4", "n": "1"}, True),
        ({"m": "gpt-4", "n": 1}, True),
        ({"m": "gpt-4o", "n": "1"}, False),
        ({"m": "gpt-4"}, False),
    ],
)
def test_where_keeps_rows_that_hold_all_values(row: dict[str, Any], stays: bool) -> None:
    rules = Rules((), {"task": "t"}, (("m", "gpt-4"), ("n", "1")))
    assert to_sample(row, rules) == ({"task": "t"} if stays else FILTERED)


def test_the_row_goes_before_the_option_and_an_empty_cell_leaves_the_option() -> None:
    rules = Rules((("release", "r"),), {"release": "v1"})
    assert to_sample({"r": "v2"}, rules) == {"release": "v2"}
    assert to_sample({"r": ""}, rules) == {"release": "v1"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["promt"], "'promt'. Did you mean 'prompt'"),
        (["called_at"], "--time-column"),
        (["attributes"], "attributes.NAME"),
        (["attributes."], "no field of a sample|There is no"),
        (["prompt", "prompt"], "twice"),
        (["latency_s", "latency_ms"], "not both"),
        ([f"attributes.a{i}" for i in range(65)], "at most 64"),
    ],
)
def test_fields_that_are_none_are_refused(fields: list[str], words: str) -> None:
    with pytest.raises(ReplayUsageError, match=words):
        check_fields(tuple((field, "c") for field in fields))


def test_the_limits_are_those_of_the_wire() -> None:
    assert mapping.DIMENSION_BYTES == words.DIMENSION_BYTES
    assert mapping.TEXT_CHARACTERS == words.TEXT_CHARACTERS
    assert mapping.ATTRIBUTES == items.ATTRIBUTES
    fields = set(items.SampleIn.__struct_fields__) - {"called_at", "attributes"}
    assert set(mapping._READERS) - {"latency_s"} == fields


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
    st.text(st.characters(), min_size=190, max_size=210),
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(["ok", "error", UUID_TEXT, "\x00", "\ud800", "1e999", "-1"]),
    st.lists(st.integers(), max_size=2),
)
CONSTANTS = {"task": "t", "environment": "production", "release": "", "keep_probability": 1.0}


@given(st.dictionaries(st.sampled_from([*mapping._READERS, "attributes.x"]), VALUES, max_size=6))
def test_the_wire_takes_whatever_is_not_skipped(row: dict[str, Any]) -> None:
    rules = Rules(tuple((field, field) for field in row), CONSTANTS)
    outcome = to_sample(row, rules)
    if isinstance(outcome, Skip):
        assert outcome.reason.partition(":")[0] in row
    else:
        called = {"sample_id": UUID_TEXT, "called_at": "2026-01-01T00:00:00+00:00"}
        posted = json.dumps({**called, **outcome})
        msgspec.json.decode(posted, type=items.SampleIn)
