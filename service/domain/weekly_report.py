"""The weekly report: did quality hold, what did it cost, what changed?

The same frozen value is the JSON, the page and the output of the command. Every ratio has its
interval, and a statement is made only where the interval allows it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.domain.alert_windows import Severity
from service.domain.attainment import Attainment, Change, Held, compare, judge_objective
from service.domain.burn_rate import Budget, budget
from service.domain.coverage import Coverage, StretchCounts, Versions
from service.domain.incidents import Incident
from service.domain.indicators import Indicator
from service.domain.iso_weeks import WEEK, IsoWeek, Stretch
from service.domain.report_words import say_change, say_held, say_notes
from service.domain.slos import Slo


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
    """An incident of the week, as it stood when the week (or what there was of it) ended.

    `duration` is what fell into the week; `is_over`: resolved within it.
    """

    id: int
    title: str
    severity: Severity
    environment: str
    task: str
    opened_at: datetime
    duration: timedelta
    opened_before: bool
    is_over: bool
    remark: str

    @property
    def duration_s(self) -> float:
        return self.duration.total_seconds()


@dataclass(frozen=True, slots=True)
class SloCounts:
    """All that was read for one SLO; of a quality SLO, the scores of one version only."""

    week: StretchCounts
    week_before: StretchCounts
    slo_window: StretchCounts
    usage: Usage
    usage_before: Usage


@dataclass(frozen=True, slots=True)
class SloReport:
    """`budget` is that of the SLO's own window, which ends with the week or with the report.

    `evaluator_version` is the one whose scores are counted, all through.
    """

    name: str
    display_name: str
    indicator: Indicator
    evaluator_version: str | None
    version_in_force: str | None
    objective: float
    window: timedelta
    attainment: Attainment
    coverage: Coverage
    attainment_before: Attainment
    coverage_before: Coverage
    change: Change
    held: Held
    budget: Budget
    budget_coverage: Coverage
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


def report_incident(incident: Incident, stretch: Stretch) -> ReportedIncident:
    """An incident as the report shows it: what came after the stretch changes nothing."""
    opened_before = incident.opened_at < stretch.starts_at
    over_at = incident.resolved_at
    is_over = over_at is not None and over_at < stretch.ends_at
    until = over_at if over_at is not None and is_over else stretch.ends_at
    remarks = ["opened before this week"] if opened_before else []
    if not is_over:
        is_week_over = stretch.length == WEEK
        remarks.append("still open at the end of the week" if is_week_over else "still open")
    return ReportedIncident(
        id=incident.id,
        title=incident.title,
        severity=incident.severity,
        environment=incident.environment,
        task=incident.task,
        opened_at=incident.opened_at,
        duration=until - max(incident.opened_at, stretch.starts_at),
        opened_before=opened_before,
        is_over=is_over,
        remark=", ".join(remarks),
    )


def report_slo(
    slo: Slo,
    display_name: str,
    versions: Versions,
    counts: SloCounts,
    incidents: tuple[ReportedIncident, ...],
) -> SloReport:
    """`incidents`: those that an alert of this SLO fed."""
    indicator = slo.indicator
    week, week_before, slo_window = counts.week, counts.week_before, counts.slo_window
    attainment, before = Attainment.of(week.tally), Attainment.of(week_before.tally)
    held, change = judge_objective(attainment, slo.objective), compare(attainment, before)
    # What is counted may differ from the rest: the version was changed for a reason.
    if not week.coverage.is_enough:
        held = "cannot tell"
    if not (week.coverage.is_enough and week_before.coverage.is_enough):
        change = replace(change, direction="cannot tell")
    sentences = (
        say_held(held, week.coverage, indicator, versions),
        say_change(change, week.coverage, week_before.coverage, versions),
    )
    return SloReport(
        name=slo.name,
        display_name=display_name,
        indicator=indicator,
        evaluator_version=versions.counted,
        version_in_force=versions.in_force,
        objective=slo.objective,
        window=slo.window,
        attainment=attainment,
        coverage=week.coverage,
        attainment_before=before,
        coverage_before=week_before.coverage,
        change=change,
        held=held,
        budget=budget(slo_window.tally, slo.objective),
        budget_coverage=slo_window.coverage,
        calls=Amount(counts.usage.calls, counts.usage_before.calls),
        cost_usd=Amount(counts.usage.cost_usd, counts.usage_before.cost_usd),
        incidents=incidents,
        sentence=" ".join(sentences),
        notes=tuple(say_notes(indicator, versions, week.coverage, slo_window.coverage)),
    )
