"""What the outcome of an attempt means for its batch: booked, sent again, halved, or given up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable

from watchkeeper.courier import Outcome
from watchkeeper.outbox import ROTATE_AFTER, Outbox, Waiting
from watchkeeper.pace import Pace
from watchkeeper.receipts import book_answer, book_lost
from watchkeeper.troubles import Troubles

_MISDIRECTED = (
    "nothing is stored (%s): check url, api_key, app and proxy; calls are counted, and their "
    "samples wait as far as there is room"
)


class Outcomes:
    """For the sender's thread."""

    def __init__(
        self,
        outbox: Outbox,
        pace: Pace,
        troubles: Troubles,
        learn: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._outbox = outbox
        self._pace = pace
        self._troubles = troubles
        self._learn = learn

    def book(self, waiting: Waiting, outcome: Outcome) -> None:
        answer = outcome.answer
        if answer is None or not answer.is_final:
            self._retry_later(waiting, outcome)
            return
        self._pace.answered()
        if answer.is_too_large:
            self._halve(waiting)
            return
        self._outbox.settle(waiting, is_stored=answer.is_stored)
        if answer.is_stored:
            book_answer(waiting.batch, answer.body, self._outbox.ledger_of(waiting))
            self._learn(answer.body)
        else:
            self._lose(waiting, f"http_{answer.status}")

    def miss_body(self, waiting: Waiting, now: float) -> None:
        """The spool did not give back what is to be sent."""
        self._pace.failed(0.0, now)
        self._outbox.put_off(waiting, self._pace.attempt_at)
        if waiting.failures >= ROTATE_AFTER:
            self._give_up(waiting, "spool_failed")

    def _retry_later(self, waiting: Waiting, outcome: Outcome) -> None:
        now = time.monotonic()
        answer = outcome.answer
        if answer is not None and answer.is_misdirected:
            self._pace.misdirected(now)
            self._troubles.tell("misdirected", _MISDIRECTED, outcome.cause)
        else:
            self._pace.failed(0.0 if answer is None else answer.retry_after_s, now)
            self._troubles.tell(
                "retry",
                "batch not stored yet: %s; attempt %d follows in %.1f s",
                outcome.cause,
                self._pace.failures + 1,
                self._pace.attempt_at - now,
            )
        if outcome.is_away:
            return
        # From the next attempt on: that belongs to the others, even where it comes late
        rest_until = self._pace.attempt_at + self._pace.rest_s(waiting.failures + 1)
        if not self._outbox.put_off(waiting, rest_until):
            self._give_up(waiting, "no_answer" if answer is None else f"http_{answer.status}")

    def _halve(self, waiting: Waiting) -> None:
        """A batch id that is refused so has stored nothing: others can take its items over."""
        body = self._outbox.body_of(waiting)
        if body is None:
            self.miss_body(waiting, time.monotonic())
            return
        try:
            is_halved = self._outbox.halve(waiting, body)
        except Exception:  # the disk gave something else back; each decompressor says so in its way
            self._give_up(waiting, "http_413")
            return
        if not is_halved:
            self._give_up(waiting, "too_large")
            return
        self._troubles.tell(
            "halved",
            "a batch is too large for the server, or for a proxy before it (HTTP 413): its %d "
            "samples and the counts of %d calls are sent as two",
            waiting.batch.samples,
            waiting.batch.calls,
        )

    def _give_up(self, waiting: Waiting, reason: str) -> None:
        self._outbox.settle(waiting, is_stored=False)
        self._lose(waiting, reason)

    def _lose(self, waiting: Waiting, reason: str) -> None:
        batch = waiting.batch
        book_lost(batch, reason, self._outbox.ledger_of(waiting))
        self._troubles.tell(
            reason,
            "a batch is given up (%s): %d samples and the counts of %d calls are lost",
            reason.replace("http_", "HTTP "),
            batch.samples,
            batch.calls,
        )
