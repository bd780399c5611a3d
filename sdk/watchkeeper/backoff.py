"""How long to wait before a batch is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

_RETRY_AFTER_CEILING_S = 3600.0  # a server that asks for more is asked again after an hour


@dataclass(frozen=True)
class Backoff:
    """Exponential, with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015)."""

    first_s: float = 0.5
    ceiling_s: float = 30.0

    def delay_s(self, attempt: int, chance: random.Random) -> float:
        """Anything from nothing to the doubled delay: retries of many apps spread out evenly.

        `attempt` counts the failures so far, from 1.
        """
        # 2.0 ** 1024 would overflow; 32 doublings exceed every ceiling anyway
        span = min(self.ceiling_s, self.first_s * 2.0 ** min(attempt - 1, 32))
        return chance.uniform(0.0, span)

    def longest_s(self, chance: random.Random) -> float:
        """Where waiting alone mends nothing: near the ceiling from the first time on."""
        return chance.uniform(self.ceiling_s / 2, self.ceiling_s)


def retry_after_s(header: str | None, now: datetime) -> float:
    """Seconds the server asks to be left alone for; 0 where it asks for nothing legible.

    >>> moment = datetime(2026, 1, 1, 12, 0, tzinfo=timezone.utc)
    >>> retry_after_s("7", moment), retry_after_s("Thu, 01 Jan 2026 12:00:30 GMT", moment)
    (7.0, 30.0)
    >>> retry_after_s("soon", moment), retry_after_s(None, moment)
    (0.0, 0.0)
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError, IndexError):
            return 0.0
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - now).total_seconds()
    return min(max(seconds, 0.0), _RETRY_AFTER_CEILING_S)
