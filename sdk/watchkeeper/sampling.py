"""Which calls are kept whole, and with what probability.

The probability is that of the design: of the rate, or 1 for what is always kept. Samples that a
full queue drops come on top, unforeseeably; they are in the ledger (`queue_full`), while the
counts, which never go, say how many calls every minute had: weigh a minute's samples up to those.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

_RANGE = 2**64


class Decision(NamedTuple):
    """That a call is kept."""

    keep_probability: float
    kept_for: str | None
    """"error" or "flag", where the rate alone would not have kept it."""
    session_probability: float | None = None
    """With which its session was kept, where the call would have been kept anyway."""


def decide(unit: str, sample_rate: float, *, is_error: bool, is_flagged: bool) -> Decision | None:
    """None: counted, but not kept. Errors and flagged calls always are kept: they are few, and the
    ones that somebody will look for."""
    is_certain = is_error or is_flagged
    if is_kept(unit, sample_rate):
        return Decision(1.0, None, sample_rate) if is_certain else Decision(sample_rate, None)
    if is_certain:
        return Decision(1.0, "error" if is_error else "flag")
    return None


def is_kept(unit: str, probability: float) -> bool:
    """Decides for a session, trace or sample id; the same unit always gets the same answer.

    The first 64 bits of its BLAKE2b hash, as a fraction of their range, against the probability:
    a unit kept at one rate is kept at every higher rate too.

    >>> is_kept("session-1", 0.0), is_kept("session-1", 1.0)
    (False, True)
    """
    if probability >= 1.0:
        return True
    digest = blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < probability * _RANGE
