"""How many bytes of text wait in the app's queue: weighed on the sender's thread, not on the app's.

`record()` compares the length of the queue with a number, and nothing else; what is weighed here
says which number that is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from sys import getsizeof
from typing import Any

from watchkeeper.calls import COUNTED, Call
from watchkeeper.deferred import Deferred

_WEIGHED_AT_ONCE = 512  # calls, in a fraction of a millisecond
_PARTS_LIMIT = 2_000  # of a value: one that holds itself would have no end
_NESTING = (list, tuple, dict)
_ERROR, _TEXTS, _ATTRIBUTES = 5, slice(COUNTED, COUNTED + 3), 16


class Weights:
    """Of the calls at the head of a queue, in its order. For who holds the ledger's lock."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._weights: deque[int] = deque()
        self._bytes = 0

    def weigh(self, queue: Sequence[Call]) -> None:
        """Some of the calls that came since the last time; appends may go on meanwhile."""
        known = len(self._weights)
        places = range(known, min(len(queue), known + _WEIGHED_AT_ONCE))
        weights = [weight_of(queue[place]) for place in places]
        self._weights.extend(weights)
        self._bytes += sum(weights)

    def pop(self, calls: int) -> None:
        """So many have left the queue."""
        popleft = self._weights.popleft
        self._bytes -= sum([popleft() for _ in range(min(calls, len(self._weights)))])

    @property
    def surplus(self) -> int:
        """How many of the oldest have to go. Never the newest one of all, however long: its texts
        are cut when they are written out."""
        excess = self._bytes - self._max_bytes
        calls = 0
        while excess > 0 and calls < len(self._weights) - 1:
            excess -= self._weights[calls]
            calls += 1
        return calls

    def fitting(self, otherwise: int) -> int:
        """How many calls like these fit; `otherwise` where none is known."""
        if not self._weights:
            return otherwise
        return max(self._max_bytes * len(self._weights) // max(self._bytes, 1), 1)


def weight_of(call: Call) -> int:
    """Bytes that the texts of a call take, about, as though it shared them with no other call. No
    code of the app is run: objects of its own count nothing."""
    prompt, response, reference = call[_TEXTS]
    error, attributes = call[_ERROR], call[_ATTRIBUTES]
    if type(prompt) is type(response) is str and error is reference is attributes is None:
        return getsizeof(prompt) + getsizeof(response)  # most calls, in a third of the time
    weight = 0
    parts = [error, prompt, response, reference, attributes]
    for _ in range(_PARTS_LIMIT):
        if not parts:
            break
        part = parts.pop()
        kind = type(part)
        if kind is str or kind is bytes:
            weight += getsizeof(part)
        elif issubclass(kind, str):
            weight += str.__sizeof__(part)
        elif kind in _NESTING or issubclass(kind, Deferred):
            parts += _parts_of(part)
    return weight


def _parts_of(value: Any) -> list[object]:
    try:
        within = value.held() if isinstance(value, Deferred) else value
        return list(islice(within.values() if type(within) is dict else within, _PARTS_LIMIT))
    except RuntimeError:  # the app changes this very dict on another thread
        return []
