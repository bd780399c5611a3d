"""The lowest number among the batches that wait, for `flush()` to compare with its own."""

from __future__ import annotations

import heapq
from collections.abc import Container


class Oldest:
    """The lowest number of the batches that still wait."""

    def __init__(self) -> None:
        self._numbers: list[tuple[int, str]] = []

    def push(self, number: int, batch_id: str) -> None:
        heapq.heappush(self._numbers, (number, batch_id))

    def prune(self, waiting: Container[str]) -> None:
        """After each batch that left `waiting`: what is kept here is no more than is in there, and
        what is behind the oldest of it."""
        while self._numbers and self._numbers[0][1] not in waiting:
            heapq.heappop(self._numbers)

    @property
    def number(self) -> int | None:
        return self._numbers[0][0] if self._numbers else None
