"""`watchkeeper report`: what the pages show, on a terminal or as JSON."""

from typing import Annotated, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluators.registry import load
from service.api.schemas.reports import WeeklyReportOut
from service.domain.alert_windows import spell_duration
from service.domain.spelling import dollars, percent, points, relative, whole
from service.domain.weekly_report import AppReport, SloReport, WeeklyReport
from service.flows.build_report import build_report
from service.settings import read_settings
from service.store.engine import connect_engine, require_reachable
from service.store.schema import require_current
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
    with connect_engine(read_settings()) as engine:
        require_reachable(engine)
        require_current(engine)
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
            f"{dollars(app.cost_usd.value)} ({relative(app.cost_usd.relative_change)}), "
            f"{len(app.incidents)} incidents opened"
        )
    )
    if app.slos:
        console.print(_table(app))
    for slo in app.slos:
        for line in (slo.sentence, *slo.notes):
            console.print(Text(f"  {slo.display_name}: {line}"))
    for incident in app.incidents:
        lasted = f"{spell_duration(incident.duration)}{'' if incident.is_over else ' so far'}"
        console.print(
            Text(f"  Incident {incident.id} ({incident.severity}, {lasted}): ")
            + Text(incident.title)
        )


def _table(app: AppReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("SLO", "Objective", "Attained", "95 % interval", "n", "Held", "Change"):
        table.add_column(heading)
    for heading in ("Budget spent", "Calls", "Cost"):
        table.add_column(heading, justify="right")
    for slo in app.slos:
        table.add_row(*(Text(cell) for cell in _cells(slo)))
    return table


def _cells(slo: SloReport) -> tuple[str, ...]:
    attained = slo.attainment
    # Weighted rows are worth less than their number.
    worth = "" if attained.effective_n == attained.n else f"\nworth {whole(attained.effective_n)}"
    between = " to ".join(percent(end) for end in attained.interval) if attained.interval else "-"
    spent = slo.budget.spent
    low, high = (percent(end) for end in slo.budget.interval)
    certain = "" if slo.change.direction == "cannot tell" else f"\n{slo.change.direction}"
    return (
        slo.display_name,
        percent(slo.objective),
        percent(attained.good_ratio),
        between,
        f"{whole(attained.n)}{worth}",
        slo.held,
        f"{points(slo.change.difference)}{certain}",
        percent(None) if spent is None else f"{percent(spent)}\n{low} to {high}",
        whole(slo.calls.value),
        dollars(slo.cost_usd.value),
    )
