import math
from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from service.domain.signal_counts import SignalledCall, count_moves, mask_of, tally_of_signals
from service.domain.signals import KNOWN_KINDS
from service.domain.slis import Tally

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KINDS = st.frozensets(st.sampled_from(sorted(KNOWN_KINDS)))


def a_call(before: frozenset[str], after: frozenset[str], weight: float = 1.0) -> SignalledCall:
    return SignalledCall(NOON, "production", "answer", "", "gpt-4", "", weight, before, after)


def test_every_kind_has_a_bit_of_its_own() -> None:
    masks = {mask_of([kind]) for kind in KNOWN_KINDS}
    assert len(masks) == len(KNOWN_KINDS)
    assert all(mask.bit_count() == 1 for mask in masks)


@given(st.lists(KINDS, max_size=8))
def test_a_call_is_in_the_count_of_all_its_kinds_and_in_no_other(
    steps: list[frozenset[str]],
) -> None:
    counted: Counter[int] = Counter()
    before: frozenset[str] = frozenset()
    for step in steps:
        after = before | step
        for count in count_moves([a_call(before, after)]):
            counted[count.slice.kinds] += count.n
        before = after
    assert +counted == ({mask_of(before): 1} if before else {})


def test_the_same_kind_again_changes_nothing() -> None:
    thumbs = frozenset({"thumbs"})
    assert count_moves([a_call(thumbs, thumbs)]) == []


def test_calls_add_up_by_slice() -> None:
    nothing, thumbs = frozenset[str](), frozenset({"thumbs"})
    (count,) = count_moves([a_call(nothing, thumbs, 10.0), a_call(nothing, thumbs, 2.0)])
    assert (count.n, count.w, count.w2) == (2, 12.0, 104.0)


@given(
    calls=st.integers(0, 10**6),
    kept=st.lists(st.floats(1, 1000), max_size=30),
    share=st.floats(1, 20),
)
def test_any_counts_make_a_possible_tally(calls: int, kept: list[float], share: float) -> None:
    bad = (len(kept), math.fsum(kept), math.fsum(weight**2 for weight in kept))
    tally = tally_of_signals(calls, calls * share, *bad)
    assert tally.n == tally.w == calls
    assert 0 <= tally.effective_n <= calls
    if calls:
        expected = min(1.0, bad[1] / calls)
        assert math.isclose(tally.bad_ratio or 0.0, expected, rel_tol=1e-9)
    Tally.sum([tally, tally])


def test_kept_calls_are_less_evidence_than_counted_ones() -> None:
    counted = tally_of_signals(10_000, 10_000, 500, 500, 500)
    sampled = tally_of_signals(10_000, 10_000, 50, 500, 5_000)
    assert counted.bad_ratio == sampled.bad_ratio == 0.05
    assert sampled.lower_bound() < counted.lower_bound()
    assert sampled.upper_bound() > counted.upper_bound()


def test_that_all_are_bad_is_known_of_few_kept_ones() -> None:
    everything = tally_of_signals(1_000, 1_000, 100, 1_000, 10_000)
    assert everything.bad_ratio == 1.0
    assert 0.8 < everything.lower_bound() < 1.0
    nearly = tally_of_signals(1_000, 1_000, 98, 980, 9_800)
    assert 0.75 < nearly.lower_bound() < 0.98


def test_more_bad_calls_than_were_counted_are_all_calls() -> None:
    early = tally_of_signals(3, 3, 5, 50, 500)
    assert (early.n, early.bad_n, early.bad_ratio) == (3, 3, 1.0)
    assert tally_of_signals(0, 0, 5, 50, 500) == Tally.ZERO
