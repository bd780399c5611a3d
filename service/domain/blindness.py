"""What keeps a window from being judged: silence, gaps, unscored samples, too few calls."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.domain.alert_windows import ROUNDING, events_needed, spell_duration
from service.domain.slis import Tally
from service.domain.time_slices import CALLS_EXPECTED

# The first three are blindness, the last is a thin stream.
Cause = Literal["silence", "gaps", "backlog", "too_few"]


@dataclass(frozen=True, slots=True)
class SloPolicy:
    """When there is enough to judge by. Sources: one per line.

    confidence:          one-sided, for every bound; statistics contract, section 2.
    certainty:           one-sided, that more than the budget is spent at all: by chance an app that
                         keeps its budget looks so once in a million; see `judge_tier`.
    min_coverage:        least share of the expected time slices that were observed; ditto.
    max_backlog:         largest share of a window's samples that may await their score; ditto.
    watermark_allowance: the newest call may always be this old (batching, retries, roll-up).
    """

    confidence: float = 0.99
    certainty: float = 0.999_999
    min_coverage: float = 0.9
    max_backlog: float = 0.1
    watermark_allowance: timedelta = timedelta(minutes=10)


STANDARD_POLICY = SloPolicy()


@dataclass(frozen=True, slots=True)
class WindowReading:
    """What is known of one window. No expected slices: coverage is not judged."""

    tally: Tally
    unscored: int = 0
    """Samples of the window that wait for their score, or that their evaluator failed on."""
    observed_slices: int = 0
    expected_slices: int = 0
    newest_at: datetime | None = None
    """Minute of the newest thing counted, in the window or before; None where there is none."""
    missed_calls: float = 0.0
    """How many were to be expected since then, by the usual traffic."""

    @property
    def coverage(self) -> float:
        if not self.expected_slices:
            return 1.0
        return min(1.0, self.observed_slices / self.expected_slices)

    @property
    def backlog(self) -> float:
        samples = self.tally.n + self.unscored
        return self.unscored / samples if samples else 0.0


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why a window cannot be judged, as a word and as a sentence."""

    cause: Cause
    reason: str


def find_silence(
    reading: WindowReading, counted: str, now: datetime, policy: SloPolicy
) -> Unseen | None:
    """Nothing came for a time in which, by the usual traffic, something would have."""
    if reading.unscored:
        return None  # it came, and waits
    if reading.newest_at is None:
        return Unseen("silence", f"no {counted} in the last 35 d")
    age = now - reading.newest_at
    if age <= policy.watermark_allowance or reading.missed_calls < CALLS_EXPECTED:
        return None
    return Unseen(
        "silence",
        f"no {counted} for {spell_duration(age)}; about {reading.missed_calls:.0f} were to be "
        "expected in that time",
    )


def find_gap(reading: WindowReading, length: timedelta, policy: SloPolicy) -> Unseen | None:
    """Samples without scores, or slices without anything."""
    over = f"of the last {spell_duration(length)}"
    if reading.backlog > policy.max_backlog:
        return Unseen(
            "backlog",
            f"{reading.unscored} of the {reading.tally.n + reading.unscored} samples {over} have "
            f"no score ({reading.backlog:.0%}; at most {policy.max_backlog:.0%} may lack it): they "
            "wait for a worker, or their evaluator fails",
        )
    if reading.coverage < policy.min_coverage:
        return Unseen(
            "gaps",
            f"only {reading.observed_slices} of the {reading.expected_slices} time slices {over} "
            f"were observed ({reading.coverage:.0%}; {policy.min_coverage:.0%} are needed)",
        )
    return None


def find_emptiness(short: WindowReading, length: timedelta) -> Unseen | None:
    """A short window without a call is neither evidence for nor against."""
    if short.tally.n:
        return None
    return Unseen("too_few", f"nothing to judge by in the last {spell_duration(length)}")


def calls_needed(fires_at: float, budget: float, policy: SloPolicy) -> int | None:
    """The fewest calls, all of them bad, that fire a tier; None where none do.

    >>> calls_needed(0.144, budget=0.01, policy=STANDARD_POLICY)
    3
    """
    if fires_at >= 1:
        return None
    return min(events_needed(fires_at, policy.confidence), events_needed(budget, policy.certainty))


def find_starvation(needed: int | None, effective_n: float, length: timedelta) -> Unseen | None:
    """Fewer calls than the tier could ever fire with."""
    if needed is not None and effective_n * ROUNDING >= needed:
        return None
    need = f"this tier needs {needed} to fire at all" if needed else "this tier can never fire"
    return Unseen(
        "too_few",
        f"{effective_n:.3g} calls' worth of evidence in the last {spell_duration(length)}; {need}",
    )
