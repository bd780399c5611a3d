"""Latency histograms: which bucket a call falls into.

The edges are round numbers, ten to a decade, so that a threshold that people would choose (300 ms,
2 s, 5 s) is an edge, and the share of calls below it is exact. Neighbours differ by a third at
most. The SDK has the same table; a test compares the two.
"""

from bisect import bisect_left

_DECADE = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
LONGEST_MS = 600_000

EDGES_MS: tuple[int, ...] = tuple(
    edge
    for scale in (1, 10, 100, 1_000, 10_000)
    for edge in (step * scale for step in _DECADE)
    if edge <= LONGEST_MS
)
"""Upper edges, inclusive; beyond the last one there is one more bucket."""

BUCKETS = len(EDGES_MS) + 1
BEYOND = "inf"
BUCKET_OF_NAME = {str(edge): bucket for bucket, edge in enumerate(EDGES_MS)} | {
    BEYOND: len(EDGES_MS)
}
"""What a bucket is called on the wire: its upper edge in milliseconds."""


def bucket_of(latency_ms: float) -> int:
    """The bucket of a call: the first whose upper edge is not below its latency."""
    return bisect_left(EDGES_MS, latency_ms)


def name_of(bucket: int) -> str:
    """What a bucket is called on the wire.

    >>> name_of(bucket_of(700.0)), name_of(bucket_of(1e9))
    ('800', 'inf')
    """
    return str(EDGES_MS[bucket]) if bucket < len(EDGES_MS) else BEYOND


def merge_counts(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Histograms add up bucket by bucket; an empty one is all zeros.

    >>> merge_counts((), (1, 2))
    (1, 2)
    >>> merge_counts((1, 2), (0, 3))
    (1, 5)
    """
    if not one or not other:
        return one or other
    return tuple(a + b for a, b in zip(one, other, strict=True))
