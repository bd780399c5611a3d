"""`watchkeeper jobs`: scoring jobs that were set aside."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.open_database import open_database
from service.domain.spelling import whole
from service.flows.retry_scoring_jobs import retry_scoring_jobs
from service.store.set_aside_jobs import SetAsideJob, list_set_aside

LARGEST_ID = 2**63 - 1

jobs = typer.Typer(help="Scoring jobs that were set aside.", no_args_is_help=True)
Ids = Annotated[
    list[int] | None, typer.Argument(min=1, max=LARGEST_ID, help="Jobs, as `list` shows them.")
]
All = Annotated[bool, typer.Option("--all", help="Every job that was set aside.")]


@jobs.callback()
def _group() -> None:
    """Scoring jobs that were set aside."""


@jobs.command("list")
def show() -> None:
    """Which samples no worker takes any more, and why."""
    with open_database() as engine, engine.connect() as connection:
        found = list_set_aside(connection)
    print_jobs(Console(), found)


@jobs.command()
def retry(ids: Ids = None, every: All = False) -> None:
    """Queue jobs again: when the cause is gone."""
    if bool(ids) == every:
        raise typer.BadParameter("give the ids of jobs, or --all")
    with open_database() as engine:
        queued = retry_scoring_jobs(engine, None if every else ids)
    typer.echo(f"Jobs queued again: {', '.join(str(number) for number in queued) or 'none'}")


def print_jobs(console: Console, found: Sequence[SetAsideJob]) -> None:
    """One line per job."""
    if not found:
        console.print("No scoring job is set aside.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Job", "App", "Environment", "Task", "Samples", "Calls", "Set aside", "Why"):
        table.add_column(heading, justify="right" if heading in ("Job", "Samples") else "left")
    for job in found:
        calls = f"{job.first_called_at:%Y-%m-%d %H:%M} to\n{job.last_called_at:%Y-%m-%d %H:%M} UTC"
        cells = (
            *(str(job.id), job.app, job.environment, job.task, whole(job.sample_count), calls),
            *(f"{job.failed_at:%Y-%m-%d %H:%M} UTC", job.last_error),
        )
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
