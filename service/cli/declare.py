"""`watchkeeper apply`: declarations from YAML files, shown as a plan and carried out."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy import Engine

from evaluators import registry
from service.cli.author import find_author
from service.cli.documents import read_documents
from service.cli.open_database import open_database
from service.cli.print_expectations import print_expectations
from service.cli.print_plan import print_plan
from service.flows.apply_declarations import Applied, Terms, apply_declarations
from service.settings import environment
from service.wiring import utc_now

CHANGED = 2
"""The exit code of `--detailed-exitcode` where there is a difference."""

Files = Annotated[
    list[Path],
    typer.Option(
        "-f", "--files", help="A YAML file, or a folder of them; may be repeated.", exists=True
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and show the plan; change nothing.")
]
Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do not ask. Without a terminal nothing is asked anyway."),
]
KeepMissing = Annotated[
    bool, typer.Option("--keep-missing", help="Archive nothing that is missing from the files.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Warnings are errors.")]
DetailedExitCode = Annotated[
    bool,
    typer.Option(
        "--detailed-exitcode", help="Exit with 0: no difference; 1: error; 2: difference."
    ),
]
Author = Annotated[
    str | None,
    typer.Option(
        show_default=False,
        help="Who brings these versions; if not given: WATCHKEEPER_AUTHOR, git's user.email, "
        "or the account's name.",
    ),
]
Note = Annotated[str, typer.Option(help="Why; kept with each new version of an SLO.")]


def apply(
    path: Files,
    dry_run: DryRun = False,
    yes: Yes = False,
    keep_missing: KeepMissing = False,
    strict: Strict = False,
    detailed_exitcode: DetailedExitCode = False,
    author: Author = None,
    note: Note = "",
) -> None:
    """Bring apps, tasks, channels and SLOs to what the YAML files declare: all, or nothing.

    An app belongs to the files that declare it, and so do the tasks and SLOs
    that were last declared together with it: those that are missing from the
    files now are archived. SLOs are then not evaluated any more, their alerts
    are cleared, their history stays; declared again, they go on. A channel
    that was declared beside such an app goes when no app uses it. Kept are
    what something else still needs, what was declared without its app, apps.

    On a terminal, it asks before it archives something or promises less.
    """
    files = [document for each in path for document in read_documents(each)]
    terms = Terms(
        author=find_author(author, environment()),
        note=note,
        keep_missing=keep_missing,
        strict=strict,
        dry_run=dry_run,
    )
    with open_database() as engine:
        if dry_run or yes or not is_terminal():
            applied = _apply(engine, files, terms)
            show(Console(), applied)
        else:
            applied = _apply_with_consent(engine, files, terms)
    if not dry_run:
        typer.echo("Applied." if applied.plan.has_changes else "Nothing to change.")
    if detailed_exitcode and applied.plan.has_changes:
        raise typer.Exit(CHANGED)


def is_terminal() -> bool:
    """Whether somebody is there who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _apply(engine: Engine, files: list[tuple[str, str]], terms: Terms) -> Applied:
    loaded = registry.load()
    return apply_declarations(engine, loaded, files, environment(), now=utc_now(), terms=terms)


def _apply_with_consent(engine: Engine, files: list[tuple[str, str]], terms: Terms) -> Applied:
    planned = _apply(engine, files, replace(terms, dry_run=True))
    show(Console(), planned)
    if planned.plan.needs_consent and not typer.confirm("Apply this?"):
        typer.echo("Nothing was applied.")
        raise typer.Exit(1)
    # Nothing is held while a person reads: what was agreed to is compared with what is there then.
    return _apply(engine, files, replace(terms, agreed=planned.plan))


def show(console: Console, applied: Applied) -> None:
    """Warnings, the plan, and what the alerts of new and changed SLOs will do."""
    for warning in applied.warnings:
        console.print(Text(f"Warning: {warning}", "yellow"))
    print_plan(console, applied.plan)
    for watched in applied.watched:
        print_expectations(console, watched.stored.slo, watched.traffic)
