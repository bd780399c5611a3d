"""Counting calls by the samples that were kept of them, where nothing else has counted them."""

import math
from uuid import UUID

from service.domain.calls import CallCount, NewSample, Slice
from service.domain.latency import BUCKETS, bucket_of


def count_kept(sample: NewSample) -> CallCount:
    """The calls that a sample stands for."""
    calls = calls_of(sample.sample_id, sample.keep_probability)
    return CallCount(
        Slice(
            sample.called_at.replace(second=0, microsecond=0),
            sample.environment,
            sample.task,
            sample.release,
            sample.model,
            sample.prompt_version,
            sample.outcome,
        ),
        calls,
        (sample.input_tokens or 0) * calls,
        (sample.output_tokens or 0) * calls,
        (sample.cost_usd or 0.0) * calls,
        () if sample.latency_ms is None else _histogram(sample.latency_ms, calls),
        float(calls * calls),
    )


def calls_of(sample_id: UUID, keep_probability: float) -> int:
    """How many calls a kept one stands for: 1 / probability, rounded so that nothing is added or
    lost on average.

    Counts are whole. Rounding to the nearest would make 3 of every 3.33 calls, always; so 3.33 is
    4 in a third of the cases. The chance is drawn from the sample's id, a hash that no sampler has
    looked at: a repeated post draws the same.

    >>> calls_of(UUID(int=1 << 127), 0.5), calls_of(UUID(int=1 << 127), 0.4)
    (2, 3)
    """
    stands_for = 1 / keep_probability
    whole = math.floor(stands_for + 1e-9)
    chance = (sample_id.int & 0xFFFF_FFFF) / 0x1_0000_0000
    return whole + (chance < stands_for - whole)


def _histogram(latency_ms: float, calls: int) -> tuple[int, ...]:
    counts = [0] * BUCKETS
    counts[bucket_of(latency_ms)] = calls
    return tuple(counts)
