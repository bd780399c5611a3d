"""The weekly report: did quality hold, what did it cost, what changed?

The same frozen value is the JSON, the page and the output of the command. Every ratio has its
interval, and a statement is made only where the interval allows it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.domain.alert_windows import Severity
from service.domain.burn_rate import Budget, budget
from service.domain.incidents import Incident
from service.domain.iso_weeks import IsoWeek, Stretch
from service.domain.slis import Interval, Tally
from service.domain.slos import Indicator, Slo

Held = Literal["yes", "no", "cannot tell"]
Direction = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Attainment:
    """The share of good calls, 0-1, with its 95 % interval; None where nothing was counted.

    `n` counts rows, `effective_n` says what they are worth as evidence.
    """

    good_ratio: float | None
    interval: Interval | None
    n: int
    effective_n: float

    @classmethod
    def of(cls, tally: Tally) -> "Attainment":
        """What these counts say.

        >>> Attainment.of(Tally.from_counts(total=40, bad=10)).good_ratio
        0.75
        >>> Attainment.of(Tally.ZERO).good_ratio is None
        True
        """
        bad_ratio = tally.bad_ratio
        if bad_ratio is None:
            return cls(None, None, 0, 0.0)
        bad = tally.interval()
        good = Interval(1 - bad.upper, 1 - bad.lower)
        return cls(1 - bad_ratio, good, tally.n, tally.effective_n)


@dataclass(frozen=True, slots=True)
class Change:
    """Against the week before. A direction is named only where the two intervals do not overlap."""

    difference: float | None
    direction: Direction


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity of the week, and of the same stretch of the week before."""

    value: float
    before: float

    @property
    def relative_change(self) -> float | None:
        """0.1 is a tenth more; None where there was nothing before."""
        return self.value / self.before - 1 if self.before else None


@dataclass(frozen=True, slots=True)
class Usage:
    """What was called, and what it cost."""

    calls: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class ReportedIncident:
    """An incident that opened in the week; one that is not over has lasted until the report."""

    id: int
    title: str
    severity: Severity
    environment: str
    task: str
    opened_at: datetime
    duration: timedelta
    is_over: bool

    @property
    def duration_s(self) -> float:
        return self.duration.total_seconds()


@dataclass(frozen=True, slots=True)
class SloCounts:
    """All that was read for one SLO; of a quality SLO, scores of the version in force only."""

    week: Tally
    week_before: Tally
    slo_window: Tally
    usage: Usage
    usage_before: Usage
    awaiting_score: int
    scored_by_other_versions: int


@dataclass(frozen=True, slots=True)
class SloReport:
    """`budget` is that of the SLO's own window, which ends with the week or with the report."""

    name: str
    display_name: str
    indicator: Indicator
    evaluator_version: str | None
    objective: float
    window: timedelta
    attainment: Attainment
    attainment_before: Attainment
    change: Change
    held: Held
    budget: Budget
    calls: Amount
    cost_usd: Amount
    incidents: tuple[ReportedIncident, ...]
    sentence: str
    notes: tuple[str, ...]

    @property
    def window_s(self) -> float:
        return self.window.total_seconds()


@dataclass(frozen=True, slots=True)
class AppReport:
    """Totals are over all environments and tasks of the app, with an SLO or without."""

    name: str
    display_name: str
    simulated: bool
    calls: Amount
    cost_usd: Amount
    incidents: tuple[ReportedIncident, ...]
    slos: tuple[SloReport, ...]


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """A week that is not over is compared with the same stretch of the week before."""

    team: str
    week: IsoWeek
    stretch: Stretch
    compared_with: Stretch
    is_complete: bool
    generated_at: datetime
    apps: tuple[AppReport, ...]


def judge_objective(attainment: Attainment, objective: float) -> Held:
    """Whether the objective held: yes and no need the whole interval.

    >>> judge_objective(Attainment(0.9, Interval(0.85, 0.94), 200, 200), objective=0.8)
    'yes'
    >>> judge_objective(Attainment(0.9, Interval(0.75, 0.98), 20, 20), objective=0.8)
    'cannot tell'
    """
    if attainment.interval is None:
        return "cannot tell"
    if attainment.interval.lower >= objective:
        return "yes"
    return "no" if attainment.interval.upper < objective else "cannot tell"


def compare(now: Attainment, before: Attainment) -> Change:
    """What changed. Two 95 % intervals that do not overlap differ at less than 1 in 100 by chance.

    Source: Schenker and Gentleman, The American Statistician 55 (2001): the rule is conservative.
    """
    if now.good_ratio is None or before.good_ratio is None:
        return Change(None, "cannot tell")
    assert now.interval is not None  # noqa: S101 - counted
    assert before.interval is not None  # noqa: S101 - counted
    difference = now.good_ratio - before.good_ratio
    if now.interval.lower > before.interval.upper:
        return Change(difference, "better")
    if now.interval.upper < before.interval.lower:
        return Change(difference, "worse")
    return Change(difference, "cannot tell")


def report_incident(incident: Incident, *, now: datetime) -> ReportedIncident:
    """An incident as the report shows it."""
    return ReportedIncident(
        id=incident.id,
        title=incident.title,
        severity=incident.severity,
        environment=incident.environment,
        task=incident.task,
        opened_at=incident.opened_at,
        duration=(incident.resolved_at or now) - incident.opened_at,
        is_over=incident.resolved_at is not None,
    )


def report_slo(
    slo: Slo,
    display_name: str,
    evaluator_version: str | None,
    counts: SloCounts,
    incidents: tuple[ReportedIncident, ...],
) -> SloReport:
    """`incidents`: those that an alert of this SLO fed."""
    indicator = slo.indicator
    attainment, before = Attainment.of(counts.week), Attainment.of(counts.week_before)
    held, change = judge_objective(attainment, slo.objective), compare(attainment, before)
    return SloReport(
        name=slo.name,
        display_name=display_name,
        indicator=indicator,
        evaluator_version=evaluator_version,
        objective=slo.objective,
        window=slo.window,
        attainment=attainment,
        attainment_before=before,
        change=change,
        held=held,
        budget=budget(counts.slo_window, slo.objective),
        calls=Amount(counts.usage.calls, counts.usage_before.calls),
        cost_usd=Amount(counts.usage.cost_usd, counts.usage_before.cost_usd),
        incidents=incidents,
        sentence=f"{_say_held(held, attainment, indicator)} {_say_change(change, before)}",
        notes=tuple(_notes(counts, indicator, evaluator_version)),
    )


def _say_held(held: Held, attainment: Attainment, indicator: Indicator) -> str:
    if not attainment.n:
        what = "no answer was scored" if indicator.kind == "quality" else "no call was counted"
        return f"No data: {what} in this week."
    if held == "yes":
        return "The objective held: the whole interval reaches it."
    if held == "no":
        return "The objective did not hold: the whole interval lies below it."
    more = "scored answers" if indicator.kind == "quality" else "calls"
    return f"Cannot tell: the objective lies within the interval; only more {more} would narrow it."


def _say_change(change: Change, before: Attainment) -> str:
    if change.difference is None:
        return (
            "Nothing to compare with: the week before has no data."
            if not before.n
            else "Nothing to compare."
        )
    if change.direction == "cannot tell":
        return "No certain change against the week before."
    return f"{change.direction.capitalize()} than the week before."


def _notes(counts: SloCounts, indicator: Indicator, version: str | None) -> list[str]:
    """What a reader must know before trusting the figures."""
    notes = []
    if indicator.kind == "quality" and version is None:
        notes.append(
            f"The task no longer declares the evaluator {indicator.evaluator}, or it cannot be "
            "built here: no score can be counted."
        )
    if counts.awaiting_score:
        notes.append(f"Up to {counts.awaiting_score} samples of this week still await their score.")
    if counts.scored_by_other_versions:
        notes.append(
            f"{counts.scored_by_other_versions} answers of this week were scored by another "
            "version of the evaluator; they are not mixed in."
        )
    return notes
