"""`watchkeeper corrections`: minutes that count neither for an SLO nor against it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.open_database import open_database
from service.domain.corrections import Correction, CorrectionScope, InvalidCorrectionError
from service.flows.correct_budget import correct_budget, revoke_correction
from service.specs.durations import parse_duration
from service.store.corrections import list_corrections
from service.store.known_apps import require_app
from service.wiring import utc_now

LARGEST_ID = 2**63 - 1

corrections = typer.Typer(
    help="Minutes that count neither for an SLO nor against it.", no_args_is_help=True
)
App = Annotated[str, typer.Option("--app", help="The app whose SLOs are corrected.")]
From = Annotated[
    str, typer.Option("--from", metavar="TIME", help="ISO 8601; without an offset it is UTC.")
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="As --from; or give --for.")]
For = Annotated[
    str | None, typer.Option("--for", metavar="DURATION", help="How long, like 90m or 2h.")
]
Reason = Annotated[str, typer.Option("--reason", help="For whoever reads it later.")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]
Environment = Annotated[str | None, typer.Option("--environment", help="Only there.")]
Task = Annotated[str | None, typer.Option("--task", help="Only SLOs of this task.")]
Slo = Annotated[str | None, typer.Option("--slo", help="Only this SLO.")]
Id = Annotated[
    int, typer.Argument(min=1, max=LARGEST_ID, help="The correction, as `list` shows it.")
]


@corrections.callback()
def _group() -> None:
    """Minutes that count neither for an SLO nor against it."""


@corrections.command()
def add(
    app: App,
    from_: From,
    reason: Reason,
    by: By,
    to: To = None,
    length: For = None,
    environment: Environment = None,
    task: Task = None,
    slo: Slo = None,
) -> None:
    """Exclude minutes, past or coming: they leave good and total. At most seven days each."""
    starts_at = _time("--from", from_)
    ends_at = _end(starts_at, to, length)
    with open_database() as engine:
        with engine.connect() as connection:
            found = require_app(connection, app)
        correction = correct_budget(
            engine,
            found,
            CorrectionScope(environment, task, slo),
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            author=by,
            now=utc_now(),
        )
    typer.echo(
        f"Correction {correction.id}: {correction.scope} of {app}, {_span(correction)}. "
        "It counts from the next evaluation on."
    )


@corrections.command("list")
def show(app: App) -> None:
    """All corrections of an app, revoked ones too."""
    with open_database() as engine, engine.connect() as connection:
        found = list_corrections(connection, app_id=require_app(connection, app).id)
    print_corrections(Console(), found)


@corrections.command()
def revoke(correction: Id, app: App, by: By) -> None:
    """Let the minutes of a correction count again. It stays in the list."""
    with open_database() as engine:
        with engine.connect() as connection:
            found = require_app(connection, app)
        revoked = revoke_correction(engine, found, correction, by=by, now=utc_now())
    typer.echo(f"Revoked: correction {revoked.id}. Its minutes count from the next evaluation on.")


def print_corrections(console: Console, found: Sequence[Correction]) -> None:
    """One line per correction."""
    if not found:
        console.print("There are no corrections.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Id", "Of", "Minutes", "Why", "Who", "Revoked"):
        table.add_column(heading)
    for each in found:
        revoked = f"by {each.revoked_by}, {_moment(each.revoked_at)}" if each.revoked_at else ""
        cells = (str(each.id), str(each.scope), _span(each), each.reason, each.author, revoked)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


def _time(option: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidCorrectionError(
            f"{option} {text!r} is no time like 2026-11-25T22:00"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _end(starts_at: datetime, to: str | None, length: str | None) -> datetime:
    if (to is None) == (length is None):
        raise typer.BadParameter("give --to or --for, and not both")
    if to is not None:
        return _time("--to", to)
    try:
        return starts_at + parse_duration(length or "")
    except (ValueError, OverflowError) as error:
        raise InvalidCorrectionError(f"--for {length!r}: {error}") from None


def _span(correction: Correction) -> str:
    return f"{_moment(correction.starts_at)} to {_moment(correction.ends_at)}"


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
