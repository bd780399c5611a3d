"""The two ways of reading a batch agree, and nothing that is posted upsets either."""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.schemas.batches import (
    read_batch_at_once,
    read_batch_carefully,
    read_signals_at_once,
    read_signals_carefully,
)
from service.api.schemas.items import CallCountIn, LedgerIn, SampleIn
from service.domain.calls import Batch, NewSample, Slice
from service.domain.instances import Ledger
from service.errors import InvalidInputError
from tests.api.schemas.generated import BATCHES, JSON, SAMPLES, SIGNALS
from tests.posted import batch_in, body_of, count_in, sample_in

MAX_ITEMS = 10
Read = Callable[..., Batch | None]
READERS = (read_batch_at_once, read_batch_carefully, read_signals_at_once, read_signals_carefully)


def read_either_way(body: bytes, *, max_items: int = MAX_ITEMS) -> Batch:
    """As the API does it."""
    at_once = read_batch_at_once(body, max_items=max_items)
    return at_once or read_batch_carefully(body, max_items=max_items)


@settings(max_examples=300)
@given(posted=BATCHES, escaped=st.booleans())
def test_a_valid_batch_is_the_same_read_at_once_and_carefully(
    posted: dict[str, Any], escaped: bool
) -> None:
    body = json.dumps(posted, ensure_ascii=escaped).encode()
    at_once = read_batch_at_once(body, max_items=MAX_ITEMS)
    assert at_once is not None
    assert at_once == read_batch_carefully(body, max_items=MAX_ITEMS)


@given(posted=BATCHES)
def test_a_valid_batch_is_taken_whole(posted: dict[str, Any]) -> None:
    batch = read_either_way(body_of(posted))
    assert (batch.rejections, batch.truncations) == ((), ())
    assert len(batch.samples) == len(posted["samples"])
    assert len(batch.counts) == len(posted["call_counts"])
    assert len(batch.signals) == len(posted.get("signals", ()))


@given(signals=st.lists(SIGNALS, max_size=4))
def test_valid_signals_are_the_same_read_at_once_and_carefully(signals: list[Any]) -> None:
    body = body_of({"batch_id": "00000000-0000-0000-0000-000000000000", "signals": signals})
    at_once = read_signals_at_once(body, max_items=MAX_ITEMS)
    assert at_once is not None
    assert at_once == read_signals_carefully(body, max_items=MAX_ITEMS)
    assert len(at_once.signals) == len(signals)


def expect_only_what_is_promised(read: Read, body: bytes) -> None:
    try:
        batch = read(body, max_items=MAX_ITEMS)
    except InvalidInputError as error:
        answered = [str(error)]
    else:
        assert batch is None or isinstance(batch, Batch)
        remarks = () if batch is None else batch.rejections + batch.truncations
        answered = [text for remark in remarks for text in (remark.pointer, remark.reason)]
    assert all(text.encode() for text in answered), "what is answered must be text"


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=200)
@given(body=st.binary(max_size=200))
def test_random_bytes_are_never_more_than_invalid(read: Read, body: bytes) -> None:
    expect_only_what_is_promised(read, body)


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=200)
@given(posted=JSON)
def test_random_json_is_never_more_than_invalid(read: Read, posted: Any) -> None:
    expect_only_what_is_promised(read, json.dumps(posted).encode())


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=300)
@given(posted=BATCHES, chance=st.randoms(use_true_random=False), junk=JSON)
def test_a_batch_with_junk_anywhere_is_never_more_than_invalid(
    read: Read, posted: dict[str, Any], chance: Any, junk: Any
) -> None:
    place: Any = posted
    while isinstance(place, (dict, list)) and place:
        within, key = place, chance.choice(list(place) if isinstance(place, dict) else [0])
        place = place[key]
        if chance.random() < 0.3:
            break
    if isinstance(within, dict) and chance.random() < 0.3:
        key = chance.choice(["\ud800", "\x00", "a\nb", "x` - at `$.task", "~/", "", "y" * 300])
    within[key] = junk
    expect_only_what_is_promised(read, json.dumps(posted).encode())


@settings(max_examples=200)
@given(good=st.lists(SAMPLES, min_size=1, max_size=3), broken=JSON, at=st.integers(0, 3))
def test_of_one_broken_item_among_good_ones_only_it_is_refused(
    good: list[Any], broken: Any, at: int
) -> None:
    at = min(at, len(good))
    posted = batch_in(*good[:at], broken, *good[at:])
    batch = read_either_way(json.dumps(posted).encode())
    assert sorted(batch.samples) == [index for index in range(len(good) + 1) if index != at]
    (rejection,) = batch.rejections
    assert (rejection.pointer + "/").startswith(f"/samples/{at}/")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("replaced", ['"ITEM"', '"TEXT"'])
def test_nesting_of_any_depth_is_refused_and_upsets_nobody(opening: str, replaced: str) -> None:
    closing = "]" if opening == "[" else "}"
    body = json.dumps(batch_in(sample_in(prompt="TEXT"), "ITEM"))
    limit = sys.getrecursionlimit()
    for depth in (1, 10, *range(limit // 4, limit + 20, 7), 100_000):
        nested = opening * depth + "1" + closing * depth
        expect_only_what_is_promised(read_either_way, body.replace(replaced, nested).encode())


def test_of_two_values_of_one_key_the_last_one_counts() -> None:
    body = body_of(batch_in(sample_in(task="answer")))
    for first in (b'"other"', b"5"):
        doubled = body.replace(b'"task":', b'"task": ' + first + b', "task":')
        assert read_either_way(doubled).samples[0].task == "answer"


def test_an_empty_batch_is_a_batch() -> None:
    batch = read_batch_at_once(body_of(batch_in(signals=[])), max_items=MAX_ITEMS)
    assert batch is not None
    assert (batch.samples, batch.counts, batch.signals, batch.items) == ({}, {}, {}, 1)


@pytest.mark.parametrize("name", ["samples", "call_counts", "signals"])
@pytest.mark.parametrize("read", [read_batch_at_once, read_batch_carefully])
def test_a_batch_of_too_many_items_says_what_to_do(read: Read, name: str) -> None:
    posted = batch_in() | {name: [None if read is read_batch_carefully else {}] * 11}
    if read is read_batch_at_once:
        posted = batch_in(*(sample_in() for _ in range(11)))
    with pytest.raises(InvalidInputError, match=r"has 11 items, at most 10.*several batches"):
        read(body_of(posted), max_items=MAX_ITEMS)


def test_the_minute_of_a_count_is_one_whatever_its_time_zone_is() -> None:
    posted = batch_in(
        counts=(
            count_in(minute="2026-11-25T12:00:00Z"),
            count_in(minute="2026-11-25T17:30:00+05:30"),
        )
    )
    slices = [count.slice for count in read_either_way(body_of(posted)).counts.values()]
    assert slices[0] == slices[1]
    assert slices[1].minute.utcoffset() == timedelta(0)


def test_the_fields_of_items_are_in_the_order_of_the_domain() -> None:
    """They become values of the domain by their position."""
    assert SampleIn.__struct_fields__ == NewSample._fields
    assert CallCountIn.__struct_fields__[: len(Slice._fields)] == Slice._fields
    assert LedgerIn.__struct_fields__ == tuple(Ledger.__dataclass_fields__)
