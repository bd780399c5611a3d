"""Posts one batch at a time on a thread of its own."""

from __future__ import annotations

from typing import NamedTuple

from watchkeeper.transport import Answer, NoAnswerError, Transport
from watchkeeper.wake import Wake


class Outcome(NamedTuple):
    answer: Answer | None
    """None: the batch may or may not have been stored."""
    cause: str
    """Why there is no answer, or only a temporary one."""
    is_away: bool
    """The server as a whole, for all that is known: it did not fail at this very batch."""


class Courier:
    """So that a server that hangs holds up nothing but its own answer: meanwhile the sender goes
    on collecting, spooling, and keeps the time limit of a shutdown."""

    def __init__(self, transport: Transport, done: Wake) -> None:
        self._transport = transport
        self._done = done
        self._work = Wake()
        self._parcel: tuple[bytes, float] | None = None
        self._outcome: Outcome | None = None
        self._is_ended = False

    def run(self) -> None:
        while not self._is_ended:
            parcel, self._parcel = self._parcel, None
            if parcel is None:
                self._work.wait(3600.0)
                continue
            self._outcome = self._post(*parcel)
            self._done.ring()
        self._transport.close()

    def send(self, body: bytes, timeout_s: float) -> None:
        """The sender sends no second one before it has taken the outcome of the first."""
        self._parcel = (body, timeout_s)
        self._work.ring()

    def take_outcome(self) -> Outcome | None:
        outcome, self._outcome = self._outcome, None
        return outcome

    def end(self) -> None:
        self._is_ended = True
        self._work.ring()

    def _post(self, body: bytes, timeout_s: float) -> Outcome:
        try:
            answer = self._transport.post(body, timeout_s)
        except NoAnswerError as error:
            return Outcome(None, f"no answer ({error})", is_away=not error.was_sent)
        except BaseException as error:  # gevent ends a greenlet by one; the sender must not wait
            return Outcome(None, type(error).__name__, is_away=True)
        return Outcome(answer, f"HTTP {answer.status}", answer.is_away)
