import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from service.api.schemas.batches import read_batch_carefully
from service.replay.batches import build_batch, call_counts, chunks
from service.replay.mapping import Rules, Skip
from service.replay.outgoing import Outgoing, Survey, outgoing
from service.replay.rows import BrokenRow, Row
from service.replay.timing import Spread

SEED = UUID("0b5c1a52-0f0e-4c3b-9d0c-6d0a4a3f2b11")
START = datetime(2026, 11, 1, tzinfo=UTC)
CONSTANTS = {"task": "t", "environment": "production", "release": "", "keep_probability": 1.0}
RULES = Rules((("prompt", "q"), ("model", "m"), ("output_tokens", "n")), CONSTANTS)


def spread(total: int) -> Spread:
    return Spread(START, START + timedelta(hours=1), max(total, 1))


def calls_of(rows: list[dict[str, Any]]) -> list[Outgoing]:
    numbered = [Row(number, values) for number, values in enumerate(rows)]
    made = list(outgoing(numbered, RULES, spread(len(rows)), SEED))
    return [call for call in made if isinstance(call, Outgoing)]


def some_calls(count: int, **values: Any) -> list[Outgoing]:
    return calls_of([{"q": f"question {i}", "m": "a", **values} for i in range(count)])


ROWS = st.lists(
    st.fixed_dictionaries(
        {"q": st.sampled_from(["", "x", "y" * 50]), "m": st.sampled_from(["a", "b"])},
        optional={"n": st.sampled_from(["1", "x", ""])},
    ),
    max_size=30,
)


@given(ROWS, st.integers(0, 30) | st.none(), st.integers(1, 7), st.integers(1, 2000))
def test_every_row_is_sent_or_skipped_with_a_reason(
    rows: list[dict[str, Any]], limit: int | None, size: int, most_bytes: int
) -> None:
    numbered: list[Row | BrokenRow] = [Row(i, values) for i, values in enumerate(rows)]
    outcomes = list(outgoing(numbered, RULES, spread(len(rows)), SEED, limit))
    survey = Survey()
    for outcome in outcomes:
        survey.add(outcome)
    sent = [outcome for outcome in outcomes if isinstance(outcome, Outgoing)]
    assert survey.calls == len(sent)
    assert survey.rows == len(outcomes)
    assert len(outcomes) == len(rows) or len(sent) == limit
    pieces = list(chunks(sent, size=size, most_bytes=most_bytes))
    assert [call for piece in pieces for call in piece] == sent
    for piece in pieces:
        assert 0 < len(piece) <= size
        assert len(piece) == 1 or sum(len(call.encoded) for call in piece) <= most_bytes
        assert sum(count["calls"] for count in call_counts(piece)) == len(piece)


@given(st.integers(0, 40), st.integers(1, 9), st.integers(100, 900), st.data())
def test_a_replay_that_begins_at_an_edge_makes_the_same_batches(
    count: int, size: int, most_bytes: int, data: Any
) -> None:
    calls = some_calls(count)
    pieces = list(chunks(calls, size=size, most_bytes=most_bytes))
    done = data.draw(st.integers(0, len(pieces)))
    left = calls[sum(map(len, pieces[:done])) :]
    assert list(chunks(left, size=size, most_bytes=most_bytes)) == pieces[done:]


def test_the_same_calls_in_the_same_place_make_the_same_batch() -> None:
    calls = some_calls(3)
    batch = build_batch(calls, app="support", seed=SEED, first=0)
    assert batch == build_batch(some_calls(3), app="support", seed=SEED, first=0)
    others = [
        build_batch(calls[:2], app="support", seed=SEED, first=0),
        build_batch(calls, app="support", seed=SEED, first=3),
        build_batch(calls, app="support", seed=uuid5(SEED, "x"), first=0),
        build_batch(some_calls(3, n=1), app="support", seed=SEED, first=0),
    ]
    assert len({batch.batch_id, *(other.batch_id for other in others)}) == 5


def test_rows_have_ids_of_their_own_even_if_they_are_equal() -> None:
    calls = calls_of([{"q": "same", "m": "a"}] * 3)
    assert len({call.sample["sample_id"] for call in calls}) == 3


def test_a_batch_is_what_the_api_reads() -> None:
    calls = calls_of(
        [{"q": 'Grüße \u2028 "x"', "m": m, "n": n} for m in "ab" for n in ("1", "2", "")]
    )
    body = build_batch(calls, app="support", seed=SEED, first=0).body
    batch = read_batch_carefully(body, max_items=5000)
    assert not batch.rejections
    assert [s.prompt for s in batch.samples.values()] == ['Grüße \u2028 "x"'] * 6
    assert json.loads(body)["app"] == "support"
    # Six calls in an hour are in six minutes, each with its model.
    assert [(c.slice.model, c.calls, c.output_tokens) for c in batch.counts.values()] == [
        (model, 1, tokens) for model in "ab" for tokens in (1, 2, 0)
    ]


def test_calls_of_one_minute_and_slice_are_counted_together() -> None:
    rows = [Row(i, {"q": "x", "m": m, "n": 5}) for i, m in enumerate("aab")]
    times = Spread(START, START + timedelta(seconds=30), 3)
    calls = [c for c in outgoing(rows, RULES, times, SEED) if isinstance(c, Outgoing)]
    counts = {c["model"]: (c["calls"], c["output_tokens"]) for c in call_counts(calls)}
    assert counts == {"a": (2, 10), "b": (1, 5)}
    assert {c["minute"] for c in call_counts(calls)} == {START.isoformat()}


def test_a_call_that_no_batch_could_hold_is_skipped() -> None:
    rules = Rules(tuple((f"attributes.a{i}", "a") for i in range(64)), CONSTANTS)
    row = Row(0, {"a": "x" * 200_000})
    assert list(outgoing([row], rules, spread(1), SEED)) == [Skip("larger than a batch may be")]


def test_latencies_are_counted_by_bucket() -> None:
    rules = Rules((("prompt", "q"), ("latency_ms", "l")), CONSTANTS)
    rows = [Row(i, {"q": "x", "l": ms}) for i, ms in enumerate(["700", "800", "90000000", ""])]
    made = outgoing(rows, rules, Spread(START, START, 4), SEED)
    (count,) = call_counts([call for call in made if isinstance(call, Outgoing)])
    assert (count["calls"], count["latency_counts"]) == (4, {"800": 2, "inf": 1})
