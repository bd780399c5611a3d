"""Texts that are too long are cut, marked, and told of."""

import tracemalloc
from typing import Any

import pytest

from service.api.schemas.batches import read_batch_at_once, read_batch_carefully
from service.api.schemas.words import TEXT_CHARACTERS
from service.domain.calls import Batch
from tests.posted import batch_in, body_of, sample_in, signal_in

READERS = [read_batch_at_once, read_batch_carefully]


@pytest.fixture(params=READERS, ids=["at once", "carefully"])
def read(request: pytest.FixtureRequest) -> Any:
    def read(posted: dict[str, Any]) -> Batch:
        batch = request.param(body_of(posted), max_items=10)
        assert isinstance(batch, Batch)
        return batch

    return read


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600"])
@pytest.mark.parametrize("name", ["prompt", "response", "reference"])
def test_a_long_text_is_cut_and_marked_and_told(read: Any, name: str, character: str) -> None:
    length = TEXT_CHARACTERS + 1
    batch = read(batch_in(sample_in(), sample_in(**{name: character * length})))
    sample = batch.samples[1]
    text = getattr(sample, name)
    assert len(text) == TEXT_CHARACTERS
    assert text.startswith(character * 1_000)
    assert text.endswith(f"... [cut by watchkeeper: {length} characters]")
    assert sample.attributes == {"watchkeeper.truncated": name}
    (remark,) = batch.truncations
    assert remark.pointer == f"/samples/1/{name}"
    assert remark.reason == "has 262,145 characters; the first 262,144 are kept"
    assert batch.rejections == ()


def test_a_text_of_just_the_limit_is_kept_as_it_is(read: Any) -> None:
    text = "x" * TEXT_CHARACTERS
    batch = read(batch_in(sample_in(prompt=text)))
    assert batch.samples[0].prompt == text
    assert (batch.samples[0].attributes, batch.truncations) == ({}, ())


def test_all_that_was_cut_is_named_beside_what_the_app_said(read: Any) -> None:
    long = "x" * (TEXT_CHARACTERS + 1)
    attributes = {"tenant": "a", "context/1": long}
    batch = read(batch_in(sample_in(prompt=long, reference=long, attributes=attributes)))
    kept = batch.samples[0].attributes
    assert kept["watchkeeper.truncated"] == "prompt,reference"
    assert kept["tenant"] == "a"
    assert len(kept["context/1"]) == TEXT_CHARACTERS
    assert {remark.pointer for remark in batch.truncations} == {
        "/samples/0/prompt",
        "/samples/0/reference",
        "/samples/0/attributes/context~11",
    }


def test_what_the_sdk_has_cut_already_stays_named(read: Any) -> None:
    long = "x" * (TEXT_CHARACTERS + 1)
    attributes = {"watchkeeper.truncated": "prompt"}
    batch = read(batch_in(sample_in(response=long, attributes=attributes)))
    assert batch.samples[0].attributes["watchkeeper.truncated"] == "prompt,response"


def test_the_long_text_of_a_signal_is_cut_and_told(read: Any) -> None:
    long = signal_in(kind="correction", value="y" * (TEXT_CHARACTERS + 1))
    batch = read(batch_in(signals=[signal_in(), long]))
    assert len(batch.signals[1].text) == TEXT_CHARACTERS
    assert [remark.pointer for remark in batch.truncations] == ["/signals/1/value"]


def test_a_prompt_of_ten_megabytes_takes_no_multiple_of_it() -> None:
    size = 10_000_000
    body = body_of(batch_in(sample_in(prompt="x" * size)))
    for read_batch in READERS:
        tracemalloc.start()
        try:
            batch = read_batch(body, max_items=10)
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert batch is not None
        assert peak < 4 * size
        assert held < TEXT_CHARACTERS * 2
