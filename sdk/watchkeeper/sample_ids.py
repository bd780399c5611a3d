"""Ids of samples: UUIDs that begin with the time of the call."""

from __future__ import annotations

import random
from typing import Callable

_random_bits = random.SystemRandom().getrandbits


def new_sample_id(called_at_s: float, random_bits: Callable[[int], int] = _random_bits) -> str:
    """A UUID of version 7 (RFC 9562): new ids are neighbours in the server's index, which so stays
    in memory. Milliseconds, then 12 bits of their fraction (its method 3), then 62 random bits. A
    time before 1970 counts as 1970.

    >>> new_sample_id(1_767_614_459.999)[:15]
    '019b8e08-305f-7'
    """
    ticks = max(int(called_at_s * 4_096_000), 0) & ~(-1 << 60)
    fraction = 0x7000 | ticks & 0xFFF
    digits = f"{ticks >> 12:012x}{fraction:04x}{0x8 << 60 | random_bits(62):016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
