"""`watchkeeper keys`: API keys of apps."""

from typing import Annotated

import typer

from service.flows.create_api_key import create_api_key
from service.settings import read_settings
from service.store.engine import connect_engine, require_reachable
from service.wiring import utc_now

keys = typer.Typer(help="API keys of apps.", no_args_is_help=True)


@keys.callback()
def _group() -> None:
    """API keys of apps."""


@keys.command()
def create(app: Annotated[str, typer.Option(help="The app that the key is for.")]) -> None:
    """Create a key for an app. It is printed once; only its hash is stored."""
    with connect_engine(read_settings()) as engine:
        require_reachable(engine)
        typer.echo(create_api_key(engine, app, now=utc_now()).secret)
