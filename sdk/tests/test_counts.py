import json
from datetime import datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.backlog import Backlog, KeptSample
from watchkeeper.calls import Facts, facts_of
from watchkeeper.counts import CallCounts, wire_row


def facts(task):
    return Facts(60.0, task, "", "", "ok", 1, None, None, None)


def test_rows_are_bounded_and_what_does_not_fit_is_said():
    counts = CallCounts(row_limit=2)
    assert [counts.add(facts(task), n) for n, task in enumerate("abca", 1)] == [
        *(True, True, False, True),
    ]
    other = CallCounts()
    for number, task in enumerate("aaxyz", 10):
        other.add(facts(task), number)
    assert counts.absorb(other) == 3
    assert sum(counts.pop()[1].calls for _ in range(2)) == 5


def test_the_oldest_call_is_known_until_the_last_row_left():
    counts = CallCounts()
    assert counts.first_number is None
    counts.add(facts("a"), 7)
    counts.add(facts("b"), 8)
    counts.pop()
    assert counts.first_number == 7
    counts.pop()
    assert counts.first_number is None


def test_the_backlog_is_bounded_in_bytes_too():
    backlog = Backlog(max_samples=10, max_bytes=100)
    assert backlog.push(KeptSample(1, b"x" * 60)) == 0
    assert backlog.push(KeptSample(2, b"x" * 30)) == 0
    assert backlog.push(KeptSample(3, b"x" * 60)) == 1
    assert backlog.first_number == 2
    assert [s.number for s in backlog.pop_within(10, 80)] == [2]
    assert [s.number for s in backlog.pop_within(10, 1)] == [3]  # one always fits


tokens = st.one_of(st.none(), st.integers(-2, 5), st.floats(0, 3), st.just(2**40), st.just("x"))
amounts = st.one_of(st.none(), st.integers(-2, 900_000), st.floats(), st.just(True), st.just("7"))
moments = st.one_of(
    st.none(),
    st.integers(0, 180).map(
        lambda s: datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=s)
    ),
    st.just("yesterday"),
)
calls = st.tuples(
    st.floats(60, 300),
    moments,
    st.sampled_from(["a", "b", "ü" * 300, "", None, 7]),
    st.sampled_from(["", "m", None]),
    st.sampled_from(["", "v"]),
    st.sampled_from([None, "Timeout"]),
    tokens,
    tokens,
    amounts,
    amounts,
)


def rows_of(counts):
    rows = [wire_row(*counts.pop(), "production", "") for _ in range(len(counts))]
    for row in rows:
        row["cost_usd"] = round(row["cost_usd"], 6)
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


@settings(derandomize=True, deadline=None)
@given(st.lists(calls, max_size=30))
def test_the_quick_way_counts_what_the_thorough_one_does(made):
    quick, thorough = CallCounts(), CallCounts()
    for number, call in enumerate(made, 1):
        facts = facts_of(call, [])
        if facts is not None:
            thorough.add(facts, number)
        if not quick.add_plain(call) and facts is not None:
            quick.add(facts, number)
    assert quick.first_number == thorough.first_number
    assert quick.calls == thorough.calls
    assert rows_of(quick) == rows_of(thorough)


@settings(derandomize=True, deadline=None)
@given(st.lists(calls, max_size=30), st.integers(0, 30))
def test_counts_of_two_parts_add_up_to_those_of_the_whole(made, cut):
    whole, first, second = CallCounts(), CallCounts(), CallCounts()
    for number, call in enumerate(made, 1):
        facts = facts_of(call, [])
        if facts is not None:
            whole.add(facts, number)
            (first if number <= cut else second).add(facts, number)
    assert first.absorb(second) == 0
    assert first.first_number == whole.first_number
    for row in (rows := rows_of(first)):
        assert sum(row["latency_counts"].values()) <= row["calls"]
    assert rows == rows_of(whole)


def test_what_cannot_be_hashed_is_left_to_the_thorough_way():
    counts = CallCounts()
    counts.add(facts("t"), 1)
    assert counts.add_plain((60.0, None, "t", "", "", None, 1, None, None, None))
    assert not counts.add_plain((60.0, None, ["t"], "", "", None, 1, None, None, None))
    assert counts.calls == 2
