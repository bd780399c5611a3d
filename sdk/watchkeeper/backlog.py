"""Kept samples, written out, that wait for a batch."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class KeptSample(NamedTuple):
    number: int  # of its call
    body: bytes


class Backlog:
    """First in, first out; bounded in samples and in bytes. For the sender's thread."""

    def __init__(self, max_samples: int, max_bytes: int) -> None:
        self._samples: deque[KeptSample] = deque()
        self.bytes = 0
        self._max_samples = max_samples
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def first_number(self) -> int | None:
        return self._samples[0].number if self._samples else None

    def push(self, sample: KeptSample) -> int:
        """How many of the oldest had to go to make room."""
        self._samples.append(sample)
        self.bytes += len(sample.body)
        shed = 0
        while len(self._samples) > self._max_samples or self.bytes > self._max_bytes:
            self._pop()
            shed += 1
        return shed

    def pop_within(self, max_samples: int, max_bytes: int) -> list[KeptSample]:
        """The oldest that fit; at least one where there is one."""
        popped: list[KeptSample] = []
        room = max_bytes
        while self._samples and len(popped) < max_samples:
            room -= len(self._samples[0].body) + 1
            if room < 0 and popped:
                break
            popped.append(self._pop())
        return popped

    def _pop(self) -> KeptSample:
        sample = self._samples.popleft()
        self.bytes -= len(sample.body)
        return sample
