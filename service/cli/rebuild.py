"""`watchkeeper rebuild`: what is derived, made anew from what it is made of; also as a check."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from service.cli.open_database import open_database
from service.domain.spelling import whole
from service.errors import InvalidInputError
from service.flows.rebuild_counts import RebuiltDay, rebuild_counts
from service.replay.timing import parse_bound
from service.wiring import utc_now

DIFFERENT = 2
"""The exit code where something is, and stays, different from what it is made of."""
_TIMES = "RFC 3339, or relative to now: -7d, -36h, -90m, now."

App = Annotated[str | None, typer.Option("--app", help="Only this app.", show_default=False)]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help=f"Days from here on. {_TIMES} [default: all kept]"),
]
To = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="Days up to here. [default: now]")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what differs; change nothing.")]


class EmptyRangeError(InvalidInputError):
    """The range of times is empty."""


def rebuild(app: App = None, from_: From = None, to: To = None, dry_run: DryRun = False) -> None:
    """Make counts and totals anew from samples, scores and counts, a day at a time (UTC).

    Ingestion and scoring may go on meanwhile. Counts of calls are made of nothing else that is
    kept, and stay. Exits with 2 where something differs that was not put right.
    """
    now = utc_now()
    start = parse_bound(from_, now=now) if from_ is not None else None
    end = parse_bound(to, now=now) if to is not None else None
    if start is not None and start >= (end or now):
        raise EmptyRangeError("--from must be before --to")
    with open_database() as engine:
        days = rebuild_counts(engine, now=now, app=app, start=start, end=end, dry_run=dry_run)
        differs = print_days(Console(), days, dry_run=dry_run)
    if differs:
        raise typer.Exit(DIFFERENT)


def print_days(console: Console, days: Iterable[RebuiltDay], *, dry_run: bool) -> bool:
    """The days on which something differs, as they come; whether anything still does."""
    count, different, disagreeing = 0, 0, 0
    for day in days:
        count += 1
        different += day.differs
        disagreeing += day.torn.disagreeing
        _print_day(console, day)
    done = "differ" if dry_run else "differed and were put right"
    console.print(Text(f"{whole(count)} days of apps were looked at: {whole(different)} {done}."))
    if disagreeing:
        console.print(
            Text(
                f"{whole(disagreeing)} minutes do not add up to their scores and were left: "
                "their samples are not kept any more."
            )
        )
    return bool(disagreeing or (dry_run and different))


def _print_day(console: Console, day: RebuiltDay) -> None:
    if not day.differs and not day.torn.disagreeing:
        return
    console.print(Text(f"{day.day:%Y-%m-%d} {day.app}", "bold"))
    for table, found in day.differences.items():
        if found:
            console.print(
                Text(
                    f"  {table}: {whole(found.added)} missing, {whole(found.changed)} wrong, "
                    f"{whole(found.removed)} too many"
                )
            )
    if day.torn.disagreeing:
        console.print(Text(f"  {whole(day.torn.disagreeing)} minutes cannot be made anew"))
