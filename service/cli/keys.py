"""`watchkeeper keys`: API keys of apps."""

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.open_database import open_database
from service.flows.create_api_key import create_api_key
from service.flows.list_api_keys import list_api_keys
from service.flows.revoke_api_key import revoke_api_key
from service.wiring import utc_now

keys = typer.Typer(help="API keys of apps.", no_args_is_help=True)
App = Annotated[str, typer.Option("--app", help="The app that the keys are for.")]
Prefix = Annotated[str, typer.Argument(help="The key's first characters, as `list` shows them.")]


@keys.callback()
def _group() -> None:
    """API keys of apps."""


@keys.command()
def create(app: App) -> None:
    """Create a key for an app. It is printed once; only its hash is stored."""
    with open_database() as engine:
        typer.echo(create_api_key(engine, app, now=utc_now()).secret)


@keys.command("list")
def show(app: App) -> None:
    """The keys of an app, by their first characters, and which of them are revoked."""
    with open_database() as engine:
        found = list_api_keys(engine, app)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Key", "Created", "Revoked"):
        table.add_column(heading)
    for key in found:
        revoked = "" if key.revoked_at is None else f"{key.revoked_at:%Y-%m-%d %H:%M} UTC"
        cells = (f"{key.prefix}...", f"{key.created_at:%Y-%m-%d %H:%M} UTC", revoked)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table if found else Text(f"The app '{app}' has no keys."))


@keys.command()
def revoke(prefix: Prefix, app: App) -> None:
    """Refuse a key from now on. It cannot be taken back."""
    with open_database() as engine:
        revoked = revoke_api_key(engine, app, prefix, now=utc_now())
    typer.echo(f"Revoked: {revoked}... It is refused from now on.")
