"""When the server is tried again, and which batches wait for it apart from the others."""

from __future__ import annotations

import random

from watchkeeper.backoff import Backoff


class Pace:
    """One for all batches: whatever the server does not answer for good slows every attempt, and
    whatever it stores or refuses lifts that."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._chance = random.Random()  # noqa: S311 - spreads retries; guards nothing
        self._not_before = 0.0  # Retry-After: binding even for a flush
        self.failures = 0  # in a row
        self.attempt_at = 0.0

    def answered(self) -> None:
        self.failures = 0
        self.attempt_at = self._not_before = 0.0

    def failed(self, retry_after_s: float, now: float) -> None:
        self.failures += 1
        self._not_before = now + retry_after_s
        self.attempt_at = self._not_before + self._backoff.delay_s(self.failures, self._chance)

    def misdirected(self, now: float) -> None:
        """What only people can mend is not worth a second attempt in a second."""
        self.failures += 1
        self.attempt_at = now + self._backoff.longest_s(self._chance)

    def hasten(self) -> None:
        """One attempt at once, backoff or not."""
        self.attempt_at = self._not_before

    def rest_s(self, failures: int) -> float:
        """How long a batch that has failed so often stands aside."""
        return self._backoff.delay_s(failures, self._chance)
