"""Signals: what users did with an answer."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from service.errors import InvalidInputError

THUMBS = "thumbs"
CORRECTION = "correction"
REGENERATED = "regenerated"
ABANDONED = "abandoned"

LOOKED_FOR = timedelta(days=3)
"""How long a signal's sample is looked for. Of an app that keeps one call in a hundred, 99 signals
in a hundred have none: looking for ever would be most of the work."""
_FIRST_PAUSE = timedelta(seconds=15)
_PATIENCE = 4
"""Each look comes after this many times the signal's age: ten of them in three days."""


class InvalidSignalValueError(InvalidInputError):
    """The value does not go with this kind of signal."""


@dataclass(frozen=True, slots=True)
class NewSignal:
    """One signal about one sample; it may come before the sample, or long after.

    A signal says a number (`thumbs` 1 or -1), a text (the corrected answer), or nothing at all.
    """

    signal_id: UUID
    signalled_at: datetime
    sample_id: UUID
    environment: str
    task: str
    kind: str
    value: float | None
    text: str | None
    session_id: str | None
    user_id: str | None
    is_derived: bool = False
    """We concluded it ourselves; no user or app said it."""


class SignalValue(NamedTuple):
    """What a signal says, as it is stored."""

    value: float | None = None
    text: str | None = None


Said = float | bool | str | None
"""The value as the app gives it."""


def read_value(kind: str, said: Said) -> SignalValue:
    """The value of a signal; a kind that we do not know may say anything.

    >>> read_value("thumbs", "up"), read_value("thumbs", False)
    (SignalValue(value=1.0, text=None), SignalValue(value=-1.0, text=None))
    >>> read_value("copied", True), read_value("reason", "too long")
    (SignalValue(value=1.0, text=None), SignalValue(value=None, text='too long'))

    Raises:
        InvalidSignalValueError: saying what is allowed.
    """
    if isinstance(said, float) and not math.isfinite(said):
        raise InvalidSignalValueError("must be a finite number")
    return KNOWN_KINDS[kind].read(said) if kind in KNOWN_KINDS else _read_anything(said)


def speaks_against(kind: str, value: float | None) -> bool:
    """Whether the user showed by it that the answer was no good.

    >>> speaks_against("thumbs", -1.0), speaks_against("thumbs", 1.0)
    (True, False)
    >>> speaks_against("regenerated", None), speaks_against("copied", None)
    (True, False)
    """
    return kind in KNOWN_KINDS and KNOWN_KINDS[kind].speaks_against(value)


def look_again_at(received_at: datetime, *, now: datetime) -> datetime | None:
    """When to look again for a sample that is not there; None where it is looked for no longer.

    Most samples come within seconds of their signal, some after an outage of hours: the pauses grow
    with the signal's age, so that waiting long costs as little as waiting shortly.
    """
    last_look = received_at + LOOKED_FOR
    if now >= last_look:
        return None
    return min(max(now + _FIRST_PAUSE, received_at + _PATIENCE * (now - received_at)), last_look)


@dataclass(frozen=True, slots=True)
class SignalKind:
    """What a kind of signal may say, and when it speaks against the answer."""

    read: Callable[[Said], SignalValue]
    speaks_against: Callable[[float | None], bool]


def _read_anything(said: Said) -> SignalValue:
    return SignalValue(text=said) if isinstance(said, str) else _read_number(said)


def _read_number(said: float | bool | None) -> SignalValue:
    return SignalValue(None if said is None else float(said))


def _read_thumbs(said: Said) -> SignalValue:
    if isinstance(said, bool):
        said = 1.0 if said else -1.0
    value = {"up": 1.0, "down": -1.0}.get(said) if isinstance(said, str) else said
    if value is None or abs(value) != 1:
        raise InvalidSignalValueError('must be 1 or -1 (or true, false, "up", "down")')
    return SignalValue(float(value))


def _read_correction(said: Said) -> SignalValue:
    if said is not None and not isinstance(said, str):
        raise InvalidSignalValueError("must be the corrected text, or null")
    return SignalValue(text=said)


def _always(_: float | None) -> bool:
    return True


def _unless_zero(value: float | None) -> bool:
    return value != 0


KNOWN_KINDS: Mapping[str, SignalKind] = {
    THUMBS: SignalKind(_read_thumbs, lambda value: value is not None and value < 0),
    CORRECTION: SignalKind(_read_correction, _always),
    # An app that says false means that it did not happen.
    REGENERATED: SignalKind(_read_anything, _unless_zero),
    ABANDONED: SignalKind(_read_anything, _unless_zero),
}
