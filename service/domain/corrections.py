"""Corrections: stretches of time that count neither for an SLO nor against it, and who said so."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.alert_windows import spell_duration
from service.domain.slos import Slo
from service.domain.time_slices import floor_minute
from service.errors import ConflictError, InvalidInputError, NotFoundError

LONGEST = timedelta(days=7)
"""A maintenance that takes longer needs a second correction, and so somebody who still wants it."""
FARTHEST = timedelta(days=366)
"""From now, in either direction: further away lies a typing error."""
REASON_CHARACTERS = 2_000
_MINUTE = timedelta(minutes=1)

Stretch = tuple[datetime, datetime]


class InvalidCorrectionError(InvalidInputError):
    """This cannot be a correction; the message says what about it."""


class UnknownCorrectionError(NotFoundError):
    """The app has no such correction."""


class AlreadyRevokedError(ConflictError):
    """This correction was revoked before; the message says who did it and when."""


@dataclass(frozen=True, slots=True)
class CorrectionScope:
    """Which SLOs of an app a correction holds for; None: whichever it is."""

    environment: str | None = None
    task: str | None = None
    slo: str | None = None

    def __str__(self) -> str:
        parts = (("environment", self.environment), ("task", self.task), ("SLO", self.slo))
        named = [f"{what} {name}" for what, name in parts if name is not None]
        return ", ".join(named) or "the whole app"


@dataclass(frozen=True, slots=True)
class Correction:
    """The minutes from `starts_at` to `ends_at` leave numerator and denominator.

    It holds until it is revoked, and from then on as if it had never been there.
    """

    id: int
    app: str
    scope: CorrectionScope
    starts_at: datetime
    ends_at: datetime
    reason: str
    author: str
    created_at: datetime
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    @property
    def minutes(self) -> Stretch:
        """Every minute that it touches: half of one cannot be left out, since minutes are counted.

        >>> at = datetime(2026, 11, 25, 12, 0, 30)
        >>> night = Correction(1, "support", CorrectionScope(), at, at + _MINUTE, "", "", at)
        >>> [f"{end:%H:%M}" for end in night.minutes]
        ['12:00', '12:02']
        """
        return floor_minute(self.starts_at), _ceil_minute(self.ends_at)

    def concerns(self, slo: Slo) -> bool:
        """Whether it holds for this SLO, revoked or not."""
        scope, indicator = self.scope, slo.indicator
        return (
            self.app == slo.app
            and scope.environment in (None, indicator.environment)
            and scope.task in (None, indicator.task)
            and scope.slo in (None, slo.name)
        )


def _ceil_minute(instant: datetime) -> datetime:
    floor = floor_minute(instant)
    return floor if floor == instant else floor + _MINUTE


def excluded_minutes(
    corrections: Iterable[Correction], slo: Slo, start: datetime, end: datetime
) -> tuple[Stretch, ...]:
    """What of [start, end) does not count for the SLO: whole minutes, in order, merged.

    The ends given are brought to whole minutes as well: down, and up.
    """
    start, end = floor_minute(start), _ceil_minute(end)
    merged: list[Stretch] = []
    for first, last in sorted(
        correction.minutes
        for correction in corrections
        if correction.revoked_at is None and correction.concerns(slo)
    ):
        first, last = max(first, start), min(last, end)
        if first >= last:
            continue
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def check_correction(starts_at: datetime, ends_at: datetime, reason: str, *, now: datetime) -> None:
    """Whether these can be a correction.

    Raises:
        InvalidCorrectionError: with the first thing that keeps them from being one.
    """
    if not reason.strip():
        raise InvalidCorrectionError("a correction has a reason that a person can read later")
    if ends_at <= starts_at:
        raise InvalidCorrectionError("a correction ends after it starts")
    if ends_at - starts_at > LONGEST:
        raise InvalidCorrectionError(
            f"a correction lasts {spell_duration(LONGEST)} at most, found "
            f"{spell_duration(ends_at - starts_at)}; what takes longer needs several"
        )
    if max(now - starts_at, ends_at - now) > FARTHEST:
        raise InvalidCorrectionError(
            f"a correction lies within {FARTHEST.days} days of now: found "
            f"{starts_at:%Y-%m-%d} to {ends_at:%Y-%m-%d}"
        )
