"""`watchkeeper backtest`: what a definition of an SLO would have raised, by the stored history."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluators import registry
from service.cli.documents import read_documents
from service.cli.open_database import open_database
from service.domain.alert_windows import spell_duration
from service.domain.backtest import BudgetPoint, Raised
from service.domain.spelling import percent, whole
from service.flows.backtest_slos import Backtest, Range, Replayed, backtest_slos
from service.replay.timing import parse_bound
from service.settings import environment
from service.wiring import utc_now

USUAL = timedelta(days=30)
_TIMES = "RFC 3339, or relative to now: -7d, -36h, -90m, now."

Files = Annotated[
    list[Path],
    typer.Option(
        "-f", "--files", help="A YAML file, or a folder of them; may be repeated.", exists=True
    ),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help=f"{_TIMES} [default: 30 days before]")
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="[default: now]")]
App = Annotated[str | None, typer.Option("--app", help="Only of this app.", show_default=False)]
Slo = Annotated[str | None, typer.Option("--slo", help="Only of this name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def backtest(
    path: Files,
    from_: From = None,
    to: To = None,
    app: App = None,
    slo: Slo = None,
    as_json: AsJson = False,
) -> None:
    """Replay stored history: what would these SLOs have raised, beside those in force?

    The product's own rule judges every minute by what was counted before it. Nothing is applied,
    and nobody is told.
    """
    now = utc_now()
    end = parse_bound(to, now=now) if to is not None else now
    start = parse_bound(from_, now=now) if from_ is not None else end - USUAL
    over = Range.of(start, end, now=now)
    files = [document for each in path for document in read_documents(each)]
    with open_database() as engine:
        found = backtest_slos(
            engine, registry.load(), files, environment(), over, app=app, name=slo
        )
    if as_json:
        typer.echo(json.dumps([_document(each) for each in found], indent=2))
    else:
        console = Console()
        console.print(Text(f"From {_moment(over.start)} to {_moment(over.end)} UTC"))
        for each in found:
            print_backtest(console, each)


def print_backtest(console: Console, found: Backtest) -> None:
    """Pages, tickets and the budget day by day."""
    slo = found.declared.slo
    console.print()
    console.print(Text(f"{slo.app}/{slo.name}", "bold") + Text(f" ({found.display_name})"))
    if found.declared.counted_since is None:
        console.print(Text("  nothing is stored that it counts"))
        return
    console.print(Text(f"  counted since {_moment(found.declared.counted_since)}", "dim"))
    _print_raised(console, "as declared", found.declared)
    if found.is_unchanged:
        console.print(Text("  in force: the same"))
    elif found.in_force is None:
        console.print(Text("  in force: no SLO of that name"))
    else:
        _print_raised(console, "in force", found.in_force)
    console.print(_budget_table(found))


def _print_raised(console: Console, heading: str, replayed: Replayed) -> None:
    raised = replayed.raised
    pages = sum(each.severity == "page" for each in raised)
    tickets = len(raised) - pages
    objective = percent(replayed.slo.objective)
    said = f"{_number(pages, 'page')}, {_number(tickets, 'ticket')}"
    console.print(Text(f"  {heading}, {objective}: {said}"))
    for each in raised:
        style = "red" if each.severity == "page" else "yellow"
        line = f"    {_moment(each.at)} {each.severity:<6} {_length(each)}  {each.tier}"
        console.print(Text(line, style))
        console.print(Text(each.sentence), style="dim", width=console.width - 6, justify="left")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _length(raised: Raised) -> str:
    if raised.until is None:
        return "still open"
    return f"until {_moment(raised.until)} ({spell_duration(raised.until - raised.at)})"


def _budget_table(found: Backtest) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("Until (UTC)", no_wrap=True)
    columns = [found.declared.budget]
    headings = ["Budget spent", "95 % interval", "Counted"]
    if found.in_force is not None and not found.is_unchanged:
        columns.append(found.in_force.budget)
        headings += ["In force", "95 % interval"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for points in zip(*columns, strict=True):
        declared, *in_force = points
        # Midnights, but for the last one.
        until = f"{declared.at:%Y-%m-%d}" if declared.at.hour == 0 else f"{declared.at:%m-%d %H:%M}"
        cells = [until, *_spent(declared), whole(declared.n)]
        table.add_row(*cells, *(cell for each in in_force for cell in _spent(each)))
    return table


def _spent(point: BudgetPoint) -> tuple[str, str]:
    if point.budget.spent is None:
        return percent(None), ""
    lower, upper = point.budget.interval
    return f"{point.budget.spent:.0%}", f"{lower:.0%} to {upper:.0%}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _document(found: Backtest) -> dict[str, Any]:
    slo = found.declared.slo
    return {
        "app": slo.app,
        "slo": slo.name,
        "declared": _replayed(found.declared),
        "in_force": None if found.in_force is None else _replayed(found.in_force),
        "is_unchanged": found.is_unchanged,
    }


def _replayed(replayed: Replayed) -> dict[str, Any]:
    since = replayed.counted_since
    return {
        "objective": replayed.slo.objective,
        "counted_since": None if since is None else since.isoformat(),
        "raised": [
            {
                "at": each.at.isoformat(),
                "severity": each.severity,
                "tier": each.tier,
                "until": None if each.until is None else each.until.isoformat(),
                "sentence": each.sentence,
            }
            for each in replayed.raised
        ],
        "budget": _curve(replayed.budget),
    }


def _curve(points: Sequence[BudgetPoint]) -> list[dict[str, Any]]:
    return [
        {
            "at": each.at.isoformat(),
            "n": each.n,
            "spent": each.budget.spent,
            "remaining": each.budget.remaining,
            "interval": list(each.budget.interval),
        }
        for each in points
    ]
