"""What an SLO promises: an indicator, its objective over a window, and the tiers that watch it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.domain.alert_windows import (
    LEAST_FACTOR,
    AlertTier,
    Catalogue,
    propose_catalogue,
    reachable,
    spell_duration,
)
from service.domain.budget_windows import Calendar, start_of_budget
from service.domain.indicators import OF_SLICES, Indicator
from service.errors import InvalidInputError

SHORTEST_WINDOW = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


class InvalidSloError(InvalidInputError):
    """This cannot be an SLO; the message says which part of it cannot be what it is."""


Method = Literal["occurrences", "timeslices", "ratio_timeslices"]
Action = Literal["notify", "freeze"]


@dataclass(frozen=True, slots=True)
class Budgeting:
    """What the budget is a share of. Source: OpenSLO v1, `budgetingMethod`.

    occurrences:       of what is counted.
    timeslices:        of the slices of `slice_length`; one is good where its good ratio is at least
                       `slice_target`, and left out where nothing was counted in it.
    ratio_timeslices:  the mean of the slices' bad ratios.
    """

    method: Method = "occurrences"
    slice_length: timedelta | None = None
    slice_target: float | None = None


OCCURRENCES = Budgeting()


@dataclass(frozen=True, slots=True)
class Consequence:
    """What happens once no more than this share of the error budget remains.

    notify: the app's channels are told.  freeze: the gate of releases closes.
    """

    at_remaining: float
    action: Action


@dataclass(frozen=True, slots=True)
class Slo:
    """`objective` is the share of good calls to keep over `window`, 0-1.

    Where the budget follows a calendar, `window` is its nominal length.
    """

    name: str
    app: str
    indicator: Indicator
    objective: float
    window: timedelta
    tiers: Catalogue
    calendar: Calendar | None = None
    budgeting: Budgeting = OCCURRENCES
    policy: tuple[Consequence, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.objective < 1:
            raise InvalidSloError(f"the objective lies between 0 and 1: found {self.objective!r}")
        if self.window < SHORTEST_WINDOW:
            raise InvalidSloError(
                f"the window is at least {spell_duration(SHORTEST_WINDOW)}: "
                f"found {spell_duration(self.window)}"
            )
        if not self.tiers:
            raise InvalidSloError("an SLO has at least one alert tier: found none")
        for tier in self.tiers:
            _check_tier(tier, self.window)
        if len({tier.key for tier in self.tiers}) < len(self.tiers):
            raise InvalidSloError("each alert tier is given once: found one twice")
        _check_budgeting(self)

    @property
    def alert_source(self) -> str:
        """Names the SLO among the sources of alerts."""
        return f"slo/{self.app}/{self.name}"

    @property
    def leak_source(self) -> str:
        """Names its detector of slow leaks among the sources of alerts."""
        return f"leak/{self.app}/{self.name}"

    @property
    def alert_sources(self) -> tuple[str, str]:
        """Everything that raises an alert because of its budget."""
        return self.alert_source, self.leak_source

    def budget_starts_at(self, now: datetime) -> datetime:
        """Since when calls count for the budget that holds `now`."""
        return start_of_budget(now, self.window, self.calendar)

    @property
    def window_lengths(self) -> tuple[timedelta, ...]:
        """Every alert window that a judgement needs a reading of, shortest first."""
        return tuple(sorted({length for tier in self.tiers for length in (tier.short, tier.long)}))


def _check_tier(tier: AlertTier, window: timedelta) -> None:
    if not tier.short < tier.long <= window:
        raise InvalidSloError(
            "an alert window is longer than its short window and no longer than the SLO's "
            f"{spell_duration(window)}: found {spell_duration(tier.long)} "
            f"with {spell_duration(tier.short)}"
        )
    if tier.factor < LEAST_FACTOR:
        raise InvalidSloError(
            f"a burn-rate threshold is at least {LEAST_FACTOR:g} (1 spends exactly the budget): "
            f"found {tier.factor:g}"
        )


def _check_budgeting(slo: Slo) -> None:
    budgeting, kind = slo.budgeting, slo.indicator.kind
    length = budgeting.slice_length
    if (length is not None) != (budgeting.method != "occurrences"):
        raise InvalidSloError("time slices, and nothing else, have a length")
    if (budgeting.slice_target is not None) != (budgeting.method == "timeslices"):
        raise InvalidSloError("time slices that are good or bad, and nothing else, have a target")
    if budgeting.slice_target is not None and not 0 < budgeting.slice_target <= 1:
        raise InvalidSloError(
            f"the target of a time slice lies between 0 and 1: found {budgeting.slice_target!r}"
        )
    if kind in OF_SLICES and budgeting.method != "timeslices":
        raise InvalidSloError(f"an indicator of kind {kind} is counted in time slices")
    if kind == "composite" and length is not None:
        raise InvalidSloError("a composite is made of its parts' budgets: it has no time slices")
    shortest = min(tier.short for tier in slo.tiers)
    if length is not None and (length % _MINUTE or not _MINUTE <= length <= shortest):
        raise InvalidSloError(
            "a time slice has whole minutes and is no longer than the shortest alert window, "
            f"{spell_duration(shortest)}: found {spell_duration(length)}"
        )
    if any(consequence.at_remaining >= 1 for consequence in slo.policy):
        raise InvalidSloError("a consequence of the budget comes at less than all of it remaining")


@dataclass(frozen=True, slots=True)
class Infeasibility:
    """Tiers that not even a total failure would fire, and a catalogue that works.

    `proposed` is empty where none does: see `propose_catalogue`.
    """

    unreachable: Catalogue
    proposed: Catalogue


def find_infeasibility(slo: Slo) -> Infeasibility | None:
    """None where every tier can fire."""
    unreachable = tuple(tier for tier in slo.tiers if not reachable(tier, slo.objective))
    if not unreachable:
        return None
    return Infeasibility(unreachable, propose_catalogue(slo.objective, slo.window))
