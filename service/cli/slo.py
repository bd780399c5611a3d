"""`watchkeeper slo`: the SLOs in force, what each promises, and who changed it when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from evaluators import registry
from service.cli.open_database import open_database
from service.cli.print_expectations import print_expectations
from service.domain.alert_windows import spell_duration
from service.domain.field_changes import find_changes, spell_fields
from service.domain.spelling import percent
from service.flows.measure_slo import measure_slo
from service.flows.plan_declarations import shown_fields
from service.specs.write_slos import write_slos
from service.store.known_apps import require_app
from service.store.known_slos import require_slo
from service.store.slo_versions import SloVersion, latest_versions, list_versions, write_version
from service.store.slos import StoredSlo, find_slo, list_archived_slos, list_slos, read_states
from service.store.usual_traffic import read_usual_traffic
from service.wiring import utc_now

slo = typer.Typer(help="The SLOs: what they promise, and who changed it.", no_args_is_help=True)
_NAME_WIDTH = 40
Name = Annotated[str, typer.Argument(metavar="APP/NAME", help="The SLO, as `list` shows it.")]
Some = Annotated[
    str, typer.Argument(metavar="[APP[/NAME]]", help="One SLO, those of one app, or all.")
]
App = Annotated[str | None, typer.Option("--app", help="Those of one app.", show_default=False)]
Archived = Annotated[bool, typer.Option("--archived", help="Those that are declared no more.")]


@slo.callback()
def _group() -> None:
    """The SLOs: what they promise, and who changed it."""


@slo.command("list")
def show_all(app: App = None, archived: Archived = False) -> None:
    """Every SLO in force, its state and its version."""
    with open_database() as engine, engine.connect() as connection:
        if app is not None:
            require_app(connection, app)
        find = list_archived_slos if archived else list_slos
        found = find(connection, app=app)
        versions, states = latest_versions(connection), read_states(connection)
    if not found:
        typer.echo("No SLO is archived." if archived else "No SLO is declared.")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    longest = max(len(_name(each)) for each in found)
    table.add_column("SLO", overflow="fold", min_width=min(longest, _NAME_WIDTH))
    for heading in ("Objective", "Over", "State", "Version", "Since"):
        table.add_column(heading, overflow="fold")
    for each in found:
        state = states.get(each.id)
        status = "archived" if archived else state.status if state else "not judged yet"
        cells = (_name(each), percent(each.slo.objective), spell_duration(each.slo.window), status)
        table.add_row(*(Text(cell) for cell in (*cells, *_standing(versions.get(each.id)))))
    Console().print(table)


@slo.command()
def show(name: Name) -> None:
    """What an SLO promises, what was last found of it, and what its alerts will do."""
    console = Console()
    with open_database() as engine, engine.connect() as connection:
        stored = _find(connection, name)
        in_force = find_slo(connection, stored.slo.app, stored.slo.name) is not None
        state = read_states(connection).get(stored.id)
        versions = list_versions(connection, stored.id)
        measured = measure_slo(connection, registry.load(), stored)
        traffic = read_usual_traffic(connection, stored.slo, measured, now=utc_now())
    console.print(Text(_name(stored) + ("" if in_force else " (archived)"), "bold"))
    for version in versions[-1:]:
        console.print(Text(_heading(version)))
    for line in spell_fields(shown_fields(write_version(stored.slo, stored.display_name))):
        console.print(Text(f"  {line}"))
    if state is not None:
        console.print(Text(f"{state.status}, {_moment(state.evaluated_at)}: {state.sentence}"))
    print_expectations(console, stored.slo, traffic)


@slo.command()
def history(name: Name) -> None:
    """Every version of an SLO: when, by whom, why, and what it changed."""
    with open_database() as engine, engine.connect() as connection:
        versions = list_versions(connection, _find(connection, name).id)
    if not versions:
        typer.echo(f"No version of {name} is kept: it was not brought in by `watchkeeper apply`.")
    print_history(Console(), versions)


def print_history(console: Console, versions: Sequence[SloVersion]) -> None:
    """The oldest first."""
    before: SloVersion | None = None
    for version in versions:
        console.print(Text(_heading(version)))
        old = {} if before is None else shown_fields(before.definition)
        new = shown_fields(version.definition)
        lines = (
            spell_fields(new)
            if before is None
            else (str(change) for change in find_changes(old, new))
        )
        for line in lines:
            console.print(Text(f"    {line}"))
        before = version


@slo.command()
def export(which: Some = "") -> None:
    """Print SLOs in force as OpenSLO YAML, which `apply` takes as unchanged."""
    app, _, name = which.partition("/")
    with open_database() as engine, engine.connect() as connection:
        if name:
            found: Sequence[StoredSlo] = [_find(connection, which, or_archived=False)]
        else:
            if app:
                require_app(connection, app)
            found = list_slos(connection, app=app or None)
    typer.echo(write_slos([(each.slo, each.display_name) for each in found]), nl=False)


def _find(connection: Connection, name: str, *, or_archived: bool = True) -> StoredSlo:
    app, slash, of_app = name.partition("/")
    if not slash:
        raise typer.BadParameter(f"give the SLO as APP/NAME: found {name!r}")
    return require_slo(connection, app, of_app, or_archived=or_archived)


def _name(stored: StoredSlo) -> str:
    return f"{stored.slo.app}/{stored.slo.name}"


def _standing(version: SloVersion | None) -> tuple[str, str]:
    return ("-", "-") if version is None else (str(version.version), _moment(version.applied_at))


def _heading(version: SloVersion) -> str:
    note = f": {version.note}" if version.note else ""
    when = f"{_moment(version.applied_at)} by {version.applied_by}"
    return f"version {version.version}, {when}{note}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
