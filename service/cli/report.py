"""`watchkeeper report`: what the pages show, on a terminal or as JSON."""

from typing import Annotated, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluators.registry import load
from service.api.schemas.reports import WeeklyReportOut
from service.cli.open_database import open_database
from service.domain.alert_windows import spell_duration
from service.domain.spelling import between_points, dollars, percent, points, relative, whole
from service.domain.weekly_report import Amount, AppReport, SloReport, WeeklyReport
from service.flows.build_report import build_report
from service.wiring import utc_now

report = typer.Typer(help="Reports on what was promised and what was kept.", no_args_is_help=True)

Team = Annotated[str, typer.Option(help="The team whose apps are reported.")]
Week = Annotated[
    str | None, typer.Option(help="ISO week in UTC, like 2026-W47.  [default: the current one]")
]
Format = Annotated[Literal["table", "json"], typer.Option("--format", help="How it is printed.")]


@report.callback()
def _group() -> None:
    """Reports on what was promised and what was kept."""


@report.command()
def weekly(team: Team, week: Week = None, form: Format = "table") -> None:
    """Did quality hold, what did it cost, what changed? Per SLO, against the week before."""
    with open_database() as engine:
        built = build_report(engine, load(), team=team, week=week, now=utc_now())
    if form == "json":
        typer.echo(WeeklyReportOut.of(built).model_dump_json(indent=2))
    else:
        print_report(Console(), built)


def print_report(console: Console, built: WeeklyReport) -> None:
    """The report as tables, one per app."""
    start, end = (f"{at:%Y-%m-%d %H:%M}" for at in (built.stretch.starts_at, built.stretch.ends_at))
    unfinished = "" if built.is_complete else ", not over yet"
    console.print(Text(f"Team {built.team}, week {built.week}: {start} to {end} UTC{unfinished}"))
    if not built.is_complete:
        console.print(Text("Compared with the same stretch of the week before.", "dim"))
    for app in built.apps:
        _print_app(console, app)


def _print_app(console: Console, app: AppReport) -> None:
    console.print()
    simulated = " (simulated)" if app.simulated else ""
    console.print(Text(f"{app.display_name}{simulated}", "bold"))
    console.print(
        Text(
            f"{whole(app.calls.value)} calls ({relative(app.calls.relative_change)}), "
            f"{_cost(app.calls, app.cost_usd)}, "
            f"incidents: {len(app.incidents)}"
        )
    )
    if app.slos:
        console.print(_table(app))
    for slo in app.slos:
        for line in (slo.sentence, *slo.notes):
            console.print(Text(f"  {_name(app, slo)}: {line}"))
    for incident in app.incidents:
        said = [incident.severity, f"{spell_duration(incident.duration)} of this week"]
        said += [incident.remark] if incident.remark else []
        console.print(
            Text(f"  Incident {incident.id} ({', '.join(said)}): ") + Text(incident.title)
        )


def _table(app: AppReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("SLO", "Objective", "Attained", "95 % interval", "n", "Held", "Change"):
        table.add_column(heading)
    for heading in ("Budget spent", "Calls", "Cost"):
        table.add_column(heading, justify="right")
    for slo in app.slos:
        table.add_row(*(Text(cell) for cell in _cells(app, slo)))
    return table


def _cells(app: AppReport, slo: SloReport) -> tuple[str, ...]:
    attained = slo.attainment
    between = " to ".join(percent(end) for end in attained.interval) if attained.interval else "-"
    return (
        _name(app, slo),
        percent(slo.objective),
        percent(attained.good_ratio),
        between,
        _evidence(slo),
        slo.held,
        _change(slo),
        _spent(slo),
        whole(slo.calls.value),
        _cost(slo.calls, slo.cost_usd),
    )


def _name(app: AppReport, slo: SloReport) -> str:
    """What people call it; with its own name where two are called alike."""
    alike = [other for other in app.slos if other.display_name == slo.display_name]
    return slo.display_name if len(alike) == 1 else f"{slo.display_name} ({slo.name})"


def _cost(calls: Amount, cost: Amount) -> str:
    if calls.value and not cost.value:
        return "cost not reported"
    return f"{dollars(cost.value)} ({relative(cost.relative_change)})"


def _evidence(slo: SloReport) -> str:
    n, worth = slo.attainment.n, whole(slo.attainment.effective_n)
    of_all = f" of {whole(slo.coverage.total)}" if slo.coverage.total > n else ""
    # Weighted rows are worth less than their number.
    return f"{whole(n)}{of_all}" + ("" if worth == whole(n) else f"\nworth {worth}")


def _change(slo: SloReport) -> str:
    change = slo.change
    if change.difference is None:
        return points(None)
    return f"{points(change.difference)}\n{between_points(change.interval)}\n{change.direction}"


def _spent(slo: SloReport) -> str:
    if slo.budget.spent is None:
        return percent(None)
    low, high = (percent(end) for end in slo.budget.interval)
    share = slo.budget_coverage.share
    part = "" if slo.budget_coverage.is_enough else f"\n{percent(share)} of it counted"
    return f"{percent(slo.budget.spent)}\n{low} to {high}{part}"
