"""Latencies in fixed bins, so that the counts of any processes can be added up."""

from __future__ import annotations

from bisect import bisect_left

# Ten steps a decade, as a preferred-number series has: neighbours differ by a quarter or so.
_STEPS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
_HIGHEST_MS = 600_000

EDGES_MS = tuple(
    step * 10**decade for decade in range(5) for step in _STEPS if step * 10**decade <= _HIGHEST_MS
)
"""Upper edges; a call belongs to the first that is not below its latency."""
BIN_NAMES = (*(str(edge) for edge in EDGES_MS), "inf")


def bin_of(latency_ms: float) -> int:
    """Its place in BIN_NAMES.

    >>> [BIN_NAMES[bin_of(ms)] for ms in (0, 10, 10.1, 812, 600_000, 600_001)]
    ['10', '10', '12', '1000', '600000', 'inf']
    """
    return bisect_left(EDGES_MS, latency_ms)
