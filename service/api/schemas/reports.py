"""The JSON of the weekly report: ratios 0-1, durations in seconds, amounts in US dollars."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from service.domain.indicators import IndicatorKind
from service.domain.slis import Interval
from service.domain.weekly_report import WeeklyReport


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class AttainmentOut(_Out):
    """Share of good calls with its 95 % interval; null where nothing was counted."""

    good_ratio: float | None
    interval: Interval | None
    n: int
    effective_n: float


class CoverageOut(_Out):
    """Answers that are counted and that are not, by the reason; `share` is null without any."""

    counted: int
    by_other_versions: int
    awaiting_score: int
    evaluator_failed: int
    share: float | None


class ChangeOut(_Out):
    """A direction is named only where enough is counted and the interval does not cover 0."""

    difference: float | None
    interval: Interval | None
    direction: Literal["better", "worse", "cannot tell"]


class BudgetOut(_Out):
    """Shares of the error budget of the SLO's window; the interval is that of `spent`."""

    spent: float | None
    remaining: float | None
    interval: Interval


class AmountOut(_Out):
    """`before` is the same stretch of the week before; 0.1 is a tenth more."""

    value: float
    before: float
    relative_change: float | None


class ReportedIncidentOut(_Out):
    """An incident of the week, as it stood at the week's end; `duration_s` is within the week."""

    id: int
    title: str
    severity: Literal["page", "ticket"]
    environment: str
    task: str
    opened_at: datetime
    duration_s: float
    opened_before: bool
    is_over: bool
    remark: str


class IndicatorOut(_Out):
    """What is counted."""

    kind: IndicatorKind
    task: str
    environment: str
    evaluator: str | None


class SloReportOut(_Out):
    """One SLO's week; all its ratios count the scores of `evaluator_version` alone."""

    name: str
    display_name: str
    indicator: IndicatorOut
    evaluator_version: str | None
    version_in_force: str | None
    objective: float
    window_s: float
    attainment: AttainmentOut
    coverage: CoverageOut
    attainment_before: AttainmentOut
    coverage_before: CoverageOut
    change: ChangeOut
    held: Literal["yes", "no", "cannot tell"]
    budget: BudgetOut
    budget_coverage: CoverageOut
    calls: AmountOut
    cost_usd: AmountOut
    incidents: list[ReportedIncidentOut]
    sentence: str
    notes: list[str]


class AppReportOut(_Out):
    """Totals over all environments and tasks of the app."""

    name: str
    display_name: str
    simulated: bool
    calls: AmountOut
    cost_usd: AmountOut
    incidents: list[ReportedIncidentOut]
    slos: list[SloReportOut]


class StretchOut(_Out):
    """Holds its start and not its end."""

    starts_at: datetime
    ends_at: datetime


class WeeklyReportOut(_Out):
    """A week that is not over is compared with the same stretch of the week before."""

    team: str
    week: str
    stretch: StretchOut
    compared_with: StretchOut
    is_complete: bool
    generated_at: datetime
    apps: list[AppReportOut]

    @classmethod
    def of(cls, report: WeeklyReport) -> "WeeklyReportOut":
        """The report as JSON."""
        return cls(
            team=report.team,
            week=str(report.week),
            stretch=StretchOut.model_validate(report.stretch),
            compared_with=StretchOut.model_validate(report.compared_with),
            is_complete=report.is_complete,
            generated_at=report.generated_at,
            apps=[AppReportOut.model_validate(app) for app in report.apps],
        )
