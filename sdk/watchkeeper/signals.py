"""What users did with an answer: queued by any thread, written out by the sender's."""

from __future__ import annotations

import math
import uuid
from collections import deque
from datetime import datetime, timezone
from time import time
from typing import NamedTuple

from watchkeeper import repair
from watchkeeper.ledger import Ledger
from watchkeeper.masks import masked_or_none
from watchkeeper.samples import wire_json
from watchkeeper.settings import Settings

QUEUE_LIMIT = 10_000
_VALUE_LIMIT = 4_096  # characters of a text value


class Signal(NamedTuple):
    """As the app handed it over."""

    received_at_s: float
    sample_id: object
    kind: object
    value: object
    task: object
    session_id: object
    user_id: object
    signalled_at: object


class SignalQueue:
    """Bounded; beyond the limit the oldest signals are dropped, and counted as dropped.

    Signals come at the pace of people, so that this queue can afford the ledger's lock, which is
    never held while anything waits.
    """

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._limit = QUEUE_LIMIT
        self._waiting: deque[Signal] = deque()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, signal: Signal) -> None:
        """From any thread."""
        with self._ledger.lock:
            self._ledger.book_signal()
            if self._is_closed:
                self._ledger.book_signals_dropped("shutdown")
                return
            if len(self._waiting) >= self._limit:
                self._waiting.popleft()
                self._ledger.book_signals_dropped("queue_full")
            self._waiting.append(signal)

    def take(self, limit: int, max_bytes: int) -> list[bytes]:
        """The oldest, as entries of `signals`: `limit` at most, and no further one once they have
        `max_bytes`. For the sender's thread."""
        rows: list[bytes] = []
        written = 0
        while len(rows) < limit and written < max_bytes:
            with self._ledger.lock:
                if not self._waiting:
                    break
                signal = self._waiting.popleft()
            row = self._written(signal)
            if row is not None:
                rows.append(row)
                written += len(row)
        return rows

    def close(self) -> None:
        """What waits is dropped, and what comes from now on."""
        with self._ledger.lock:
            self._is_closed = True
            self._ledger.book_signals_dropped("shutdown", len(self._waiting))
            self._waiting.clear()

    def _written(self, signal: Signal) -> bytes | None:
        repairs: list[str] = []
        try:
            if not repair.as_name(signal.sample_id, "sample_id", repairs):
                self._ledger.book_signals_dropped("no_sample_id")
                return None
            if not repair.as_name(signal.kind, "kind", repairs):
                self._ledger.book_signals_dropped("no_kind")
                return None
            row = wire_json(wire_signal(signal, self._settings, repairs))
        except BaseException:  # `__str__` of the app's own may even call sys.exit()
            self._ledger.book_signals_dropped("unserialisable")
            return None
        self._ledger.book_repairs(repairs)
        return row


def wire_signal(signal: Signal, settings: Settings, repairs: list[str]) -> dict[str, object]:
    """One entry of `signals`. The sample id is repaired as that of a sample is, so that an app's
    own id, whatever its form, leads to the same sample."""
    return {
        "signal_id": str(uuid.uuid4()),
        "sample_id": repair.as_sample_id(signal.sample_id, []),
        "kind": repair.as_name(signal.kind, "kind", repairs),
        "value": _value_of(signal.value, settings, repairs),
        "signalled_at": _rfc3339(signal, repairs),
        "environment": settings.environment,
        "task": repair.as_name(signal.task, "task", repairs) or "",
        "session_id": repair.as_name(signal.session_id, "session_id", repairs),
        "user_id": repair.as_name(signal.user_id, "user_id", repairs),
    }


def _value_of(value: object, settings: Settings, repairs: list[str]) -> float | bool | str | None:
    """What the app's users write is text like any other: masked, and kept from leaving where
    answers are."""
    plain = _plain(masked_or_none(value, settings.masks, "value", repairs), repairs)
    return None if isinstance(plain, str) and not settings.capture_output else plain


def _plain(value: object, repairs: list[str]) -> float | bool | str | None:
    if value is None or type(value) is bool:
        return value
    if type(value) is int and abs(value) < 2**53:
        return value
    if type(value) is float:
        if math.isfinite(value):
            return value
        repairs.append("value")
        return None
    text = repair.as_text(value, "value", repairs)
    return None if text is None else repair.cut(text, _VALUE_LIMIT)


def _rfc3339(signal: Signal, repairs: list[str]) -> str:
    received_at = datetime.fromtimestamp(signal.received_at_s, tz=timezone.utc)
    moment = signal.signalled_at
    if moment is not None:
        try:
            if not isinstance(moment, datetime):
                raise TypeError
            if moment.tzinfo is None:
                repairs.append("signalled_at")  # a naive time is taken as UTC
                moment = moment.replace(tzinfo=timezone.utc)
            received_at = moment.astimezone(timezone.utc)
        except Exception:
            repairs.append("signalled_at")
    return received_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def signal_now(
    sample_id: object,
    kind: object,
    value: object,
    task: object,
    session_id: object,
    user_id: object,
    signalled_at: object,
) -> Signal:
    """A signal received at this moment."""
    return Signal(time(), sample_id, kind, value, task, session_id, user_id, signalled_at)
