"""Limits on how fast a key may bring items in.

The generic cell rate algorithm (ITU-T I.371, 1996), a leaky bucket whose whole state is one time:
when the items taken so far would be done if they ran at exactly the limit.
"""

BURST_S = 10.0
"""How far ahead of the limit a key may be: ten seconds' worth of items at once."""


def admit(done_at_s: float, items: int, *, per_s: float, now_s: float) -> tuple[float, float]:
    """The new state, and for how many seconds to wait instead; 0 where the items are admitted.

    Items are admitted while the debt is within the burst, however many they are, so that a batch
    larger than the burst is slow but never impossible.

    >>> admit(0.0, 50, per_s=10, now_s=100.0)
    (105.0, 0.0)
    >>> admit(105.0, 100, per_s=10, now_s=100.0)
    (115.0, 0.0)
    >>> admit(115.0, 1, per_s=10, now_s=100.0)
    (115.0, 5.0)
    """
    debt_s = max(done_at_s - now_s, 0.0)
    if debt_s > BURST_S:
        return done_at_s, debt_s - BURST_S
    return now_s + debt_s + items / per_s, 0.0
