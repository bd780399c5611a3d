"""Which calls are kept whole, and with what probability."""

from __future__ import annotations

from hashlib import blake2b

_RANGE = 2**64


def keep_probability(outcome: str, sample_rate: float) -> float:
    """Errors are always kept: they are few, and the ones that somebody will look for."""
    return 1.0 if outcome == "error" else sample_rate


def is_kept(unit: str, probability: float) -> bool:
    """Decides for a session id or a sample id; the same unit always gets the same answer.

    The first 64 bits of its BLAKE2b hash, as a fraction of their range, against the probability:
    a unit kept at one rate is kept at every higher rate too.

    >>> is_kept("session-1", 0.0), is_kept("session-1", 1.0)
    (False, True)
    """
    if probability >= 1.0:
        return True
    digest = blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < probability * _RANGE
