"""The sentences of a drift verdict: short enough for a pager, with the numbers they rest on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.drift.effect import DriftEffect


@dataclass(frozen=True, slots=True)
class Wording:
    """What a stream, its unit and its rows are called."""

    metric: str
    unit: str
    rows_are: str

    def of_alarm(
        self, effect: DriftEffect, alarmed_at: datetime, newest: datetime, recent: timedelta
    ) -> str:
        """Firing: what is seen now against what would be put up with.

        A slow drift, or one that has ended, need not show in the newest rows alone.
        """
        last_alarm = f"last alarm at {alarmed_at:%Y-%m-%d %H:%M} UTC"
        shown = f"{self._shares(effect)}, up to {_percent(effect.bound)} is tolerated"
        if effect.current_share <= effect.bound:
            within = f"the last {_period(recent)} alone would be tolerated"
            return f"{self.metric}: drift, {last_alarm}; {within}: {shown}."
        held = f"; {last_alarm}" if alarmed_at < newest else ""
        return f"{self.metric}: {shown}{held}."

    def of_health(self, effect: DriftEffect, detectable: float | None, sight: timedelta) -> str:
        """Healthy: the largest difference, and which one would have been found.

        `detectable` is a difference of shares, hence points and not percent.
        """
        rise = "no rise" if detectable is None else f"a rise by {100 * detectable:.3g} points"
        found = f"{rise} that lasts {_period(sight)} would be found"
        return (
            f"{self.metric}: no drift found. Largest difference: {self._shares(effect)}; {found}."
        )

    def of_few(self, rows: int, needed: int, sight: timedelta) -> str:
        """Too few rows for any alarm."""
        return (
            f"{self.metric}: {rows} {self.rows_are} in {_period(sight)} are too few; "
            f"even a total change would need {needed}."
        )

    def _shares(self, effect: DriftEffect) -> str:
        where = f"{effect.comparison} {effect.value:g} {self.unit}".rstrip()
        low, high = effect.interval
        return (
            f"{_percent(effect.current_share)} of {self.rows_are} are now {where} "
            f"({100 * low:.3g} to {_percent(high)}); "
            f"in the reference {_percent(effect.reference_share)} were"
        )


def _percent(share: float) -> str:
    """Three figures at most: "5 %", "0.5 %", "42.1 %".

    >>> _percent(0.42), _percent(0.005), _percent(0.4213)
    ('42 %', '0.5 %', '42.1 %')
    """
    return f"{100 * share:.3g} %"


def _period(period: timedelta) -> str:
    """Days, or hours where it is one day.

    >>> _period(timedelta(days=7)), _period(timedelta(days=1))
    ('7 days', '24 hours')
    """
    days = period / timedelta(days=1)
    return f"{days:g} days" if days > 1 else f"{period / timedelta(hours=1):g} hours"
