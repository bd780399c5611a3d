"""Calls that users spoke against: by all the kinds of signals that they did it with.

Who gives a thumb down may correct the answer as well. An SLO on some of the kinds counts such a
call once, so calls are counted by their kinds taken together: when another kind comes, the call
moves from one count to the next.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from service.domain.signals import ABANDONED, CORRECTION, REGENERATED, THUMBS
from service.domain.slis import Tally

_BITS = {THUMBS: 1, CORRECTION: 2, REGENERATED: 4, ABANDONED: 8}
"""Stored: a kind keeps its bit for ever."""


class SignalledCall(NamedTuple):
    """A kept call, and the kinds of signals that spoke against it before, and that do so now."""

    minute: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    weight: float
    before: frozenset[str]
    after: frozenset[str]


class SignalSlice(NamedTuple):
    """What signalled calls are counted by; `kinds` is a mask."""

    minute: datetime
    environment: str
    task: str
    release: str
    model: str
    prompt_version: str
    kinds: int


class SignalCount(NamedTuple):
    """What is to be added to the counts of a slice; below 0 where calls leave it."""

    slice: SignalSlice
    n: int
    w: float
    w2: float


def mask_of(kinds: Iterable[str]) -> int:
    """Kinds of signals as bits.

    >>> mask_of(("thumbs", "regenerated"))
    5
    """
    return sum(_BITS[kind] for kind in set(kinds))


def count_moves(calls: Iterable[SignalledCall]) -> list[SignalCount]:
    """What changes by them; a call whose kinds are the same as before changes nothing."""
    moved: dict[SignalSlice, SignalCount] = {}
    for call in calls:
        if call.before == call.after:
            continue
        for kinds, sign in ((call.before, -1), (call.after, 1)):
            if kinds:
                key = SignalSlice(*call[:6], mask_of(kinds))
                _, n, w, w2 = moved.get(key, SignalCount(key, 0, 0.0, 0.0))
                weight = call.weight
                moved[key] = SignalCount(
                    key, n + sign, w + sign * weight, w2 + sign * weight * weight
                )
    return list(moved.values())


def tally_of_signals(calls: int, squares: float, bad_n: int, bad_w: float, bad_w2: float) -> Tally:
    """All calls, and those of them that kept samples show to be bad.

    calls, squares:        counts of all calls, and what they add up to squared.
    bad_n, bad_w, bad_w2:  kept calls that were spoken against, and their weights.

    The bad calls B are an estimate, the calls N are not: the share p = B/N varies by (K - p) p / N,
    where K = bad_w2 / B is how many calls each bad one stands for (Horvitz and Thompson, JASA 47
    (1952)). The tally's squared weights are those with which its effective size says the same:
    p (1-p) over that, which is N where every call is kept. As that tends to nothing near p = 1,
    however many calls were bad, 1-p counts as half there at least.

    The estimate may exceed the calls that there were; the tally stays a possible one.

    >>> tally_of_signals(1000, 1000, bad_n=50, bad_w=50, bad_w2=50).effective_n
    1000.0
    >>> tally = tally_of_signals(1000, 1000, bad_n=5, bad_w=50, bad_w2=500)
    >>> tally.bad_ratio, round(tally.effective_n), round(tally.effective_bad, 1)
    (0.05, 95, 4.8)
    """
    w, squares = float(calls), max(float(calls), squares)
    if not calls or bad_n <= 0 or bad_w <= 0 or bad_w2 <= 0:
        return Tally.from_counts(calls, 0, w2=squares)
    excess = max(1.0, bad_w / w)
    bad_n = calls if bad_w >= w else min(bad_n, calls)
    bad_w, bad_w2 = bad_w / excess, bad_w2 / excess**2
    p, kish = min(1.0, bad_w / w), max(bad_w2, bad_w * bad_w / bad_n) / (bad_w / w)
    # K of calls that themselves stand for others is relative to how many those stand for.
    stands_for = kish / squares
    w2 = max(squares, kish, squares * (stands_for - p) / max(1 - p, 0.5))
    return Tally(calls, w, w2, w * (1 - p), w2 * (1 - p), bad_n, bad_w, w2 * p)
