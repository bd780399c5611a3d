"""What an SLO promises: an indicator, its objective over a window, and the tiers that watch it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from service.domain.alert_windows import (
    LEAST_FACTOR,
    AlertTier,
    Catalogue,
    propose_catalogue,
    reachable,
    spell_duration,
)
from service.errors import InvalidInputError

IndicatorKind = Literal["availability", "quality"]

SHORTEST_WINDOW = timedelta(days=1)


class InvalidSloError(InvalidInputError):
    """This cannot be an SLO; the message says which part of it cannot be what it is."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """What is counted: calls that succeed (availability) or scores that pass (quality)."""

    kind: IndicatorKind
    task: str
    environment: str
    evaluator: str | None = None

    @property
    def counted(self) -> str:
        """What one of it is called."""
        return "call" if self.evaluator is None else "scored answer"

    def __post_init__(self) -> None:
        if (self.kind == "quality") != (self.evaluator is not None):
            raise InvalidSloError(
                "a quality indicator names its evaluator, an availability indicator has none: "
                f"found kind {self.kind!r} with evaluator {self.evaluator!r}"
            )


@dataclass(frozen=True, slots=True)
class Slo:
    """`objective` is the share of good calls to keep over `window`, 0-1."""

    name: str
    app: str
    indicator: Indicator
    objective: float
    window: timedelta
    tiers: Catalogue

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

    @property
    def alert_source(self) -> str:
        """Names the SLO among the sources of alerts."""
        return f"slo/{self.app}/{self.name}"

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
