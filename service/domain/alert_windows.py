"""Alert windows as a table: which (long, short) pair fires at which burn rate, and what that means.

Source: The Site Reliability Workbook, chapter 5 "Alerting on SLOs", table 5-8.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Severity = Literal["page", "ticket"]
Catalogue = tuple["AlertTier", ...]

# The short window is a twelfth of the long one; it clears the alert soon after the fault ends.
SHORT_SHARE = 12
# A factor close to the maximum burn fires on total failures only; at most this share of it.
MAX_BURN_SHARE = 0.6
# A slower burn than this leaves a budget over at the end of its window: nothing to alert on.
# (Not 1: the Workbook's last tier has 0.933 on a window of 28 days.)
LEAST_FACTOR = 0.9
# At a burn rate of 1, tiers up to here fired 1.5 to 24 times in 30 simulated days.
LEAST_PAGE_FACTOR = 1.2
# 0.6 / (1 - 0.8) is a trifle more than 3 in floating point, 1 / (1 - 0.8) a trifle less than 5.
ROUNDING = 1 + 1e-9
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class AlertTier:
    """Fires when the burn rate over the long and the short window exceeds `factor`."""

    severity: Severity
    long: timedelta
    short: timedelta
    factor: float
    budget_share: float

    @classmethod
    def of(
        cls, severity: Severity, long: timedelta, factor: float, window: timedelta
    ) -> "AlertTier":
        """The tier with the usual short window, in whole minutes."""
        short = max(_MINUTE, round(long / SHORT_SHARE / _MINUTE) * _MINUTE)
        return cls(severity, long, short, factor, budget_share=factor * (long / window))

    @property
    def key(self) -> str:
        """Names the tier in stored state: another factor or window is another tier.

        >>> AlertTier.of("page", timedelta(hours=1), 14.4, timedelta(days=30)).key
        'page-14.4-60m'
        """
        return f"{self.severity}-{self.factor:g}-{self.long / _MINUTE:g}m"

    def firing_ratio(self, objective: float) -> float:
        """The bad ratio above which the tier fires, 0-1 (more than 1: never)."""
        return self.factor * (1 - objective)


@dataclass(frozen=True, slots=True)
class WorkbookRow:
    """A tier by the share of the budget that is spent when it fires."""

    severity: Severity
    long: timedelta
    budget_share: float


WORKBOOK = (
    WorkbookRow("page", timedelta(hours=1), budget_share=0.02),
    WorkbookRow("page", timedelta(hours=6), budget_share=0.05),
    WorkbookRow("ticket", timedelta(hours=24), budget_share=0.10),
    WorkbookRow("ticket", timedelta(days=3), budget_share=0.10),
)


def standard_catalogue(window: timedelta) -> Catalogue:
    """The Workbook's tiers for an SLO window; the factor follows from the budget share.

    >>> [tier.factor for tier in standard_catalogue(timedelta(days=30))]
    [14.4, 6.0, 3.0, 1.0]
    """
    tiers = []
    for row in WORKBOOK:
        long, factor = row.long, round(row.budget_share * (window / row.long), 4)
        if factor < LEAST_FACTOR:  # windows under 27 days: spend the same share sooner
            long, factor = row.budget_share * window, 1.0
        tiers.append(AlertTier.of(_severity(row.severity, factor), long, factor, window))
    return _distinct(tiers)


def _severity(wanted: Severity, factor: float) -> Severity:
    """A page only where burning the budget at the sustainable rate cannot page by chance."""
    return wanted if factor > LEAST_PAGE_FACTOR else "ticket"


def _distinct(tiers: Iterable[AlertTier]) -> Catalogue:
    """Tiers that came to mean the same, given once."""
    return tuple({(tier.severity, tier.long): tier for tier in tiers}.values())


def max_burn(objective: float) -> float:
    """The burn rate of a total failure: no burn rate is higher.

    >>> round(max_burn(0.80), 6)
    5.0
    """
    return 1 / (1 - objective)


def reachable(tier: AlertTier, objective: float) -> bool:
    """Whether a total failure would fire the tier."""
    return tier.firing_ratio(objective) * ROUNDING < 1


def propose_catalogue(objective: float, window: timedelta) -> Catalogue:
    """A catalogue that works for this objective: the standard one where all of it can fire.

    Else the ladder of factors is compressed linearly, its fastest tier to 0.6 of the maximum burn,
    its slowest to 1 at most, and each tier keeps its budget share: long = share * window / factor.
    Empty where 0.6 of the maximum burn is no more than sustainable (objectives up to 0.4): such an
    SLO needs tiers chosen by hand, or its indicator turned around.

    >>> page = propose_catalogue(objective=0.90, window=timedelta(days=30))[0]
    >>> page.factor, str(page.long), str(page.short)
    (6.0, '2:24:00', '0:12:00')
    """
    standard = standard_catalogue(window)
    fastest, slowest = standard[0].factor, standard[-1].factor
    cap = MAX_BURN_SHARE * max_burn(objective)
    if cap >= fastest:
        return standard
    if cap <= 1:
        return ()
    bottom = min(1.0, slowest)
    shrink = (cap - bottom) / (fastest - slowest)
    return _distinct(
        tier
        if tier.factor == bottom
        else _with_factor(tier, max(1.0, bottom + (tier.factor - slowest) * shrink), window)
        for tier in standard
    )


def _with_factor(tier: AlertTier, factor: float, window: timedelta) -> AlertTier:
    rounded = _two_digits(factor)
    # Whole minutes for the short window, too.
    step = SHORT_SHARE * _MINUTE
    long = max(1, round(tier.budget_share * window / rounded / step)) * step
    return AlertTier.of(_severity(tier.severity, rounded), long, rounded, window)


def _two_digits(factor: float) -> float:
    """Rounded down to two significant digits, so that it stays under its cap."""
    step = 10.0 ** (math.floor(math.log10(factor)) - 1)
    return round(math.floor(factor / step + 1e-9) * step, 6)


def events_needed(ratio: float, confidence: float = 0.99) -> int:
    """The fewest calls, all of them bad, whose lower confidence bound exceeds this bad ratio.

    That bound is (1 - confidence)^(1/n). Source: Clopper and Pearson (1934), the case k = n.

    >>> events_needed(0.6), events_needed(0.144)
    (10, 3)
    """
    return math.floor(math.log(1 - confidence) / math.log(ratio)) + 1


def spell_duration(duration: timedelta) -> str:
    """For sentences that people read.

    >>> spell_duration(timedelta(minutes=144)), spell_duration(timedelta(days=3))
    ('2 h 24 m', '3 d')
    >>> spell_duration(timedelta(seconds=18.2))
    '18 s'
    """
    minutes = round(duration / _MINUTE)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if n]
    return " ".join(parts) or f"{duration.total_seconds():.0f} s"
