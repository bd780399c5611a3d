"""`watchkeeper users`: what is stored of an app's users."""

from typing import Annotated

import typer

from service.cli.open_database import open_database
from service.domain.spelling import whole
from service.flows.forget_user import forget_user
from service.store.known_apps import require_app
from service.wiring import utc_now

users = typer.Typer(help="What is stored of an app's users.", no_args_is_help=True)
App = Annotated[str, typer.Option("--app", help="The app that the user is one of.")]
User = Annotated[str, typer.Option("--user", help="The user's id, as the app sends it.")]


@users.callback()
def _group() -> None:
    """What is stored of an app's users."""


@users.command()
def forget(app: App, user: User) -> None:
    """Remove a user's samples, sessions and signals. It cannot be taken back.

    Nothing is remembered of the user: what comes in later is stored like anything else, until the
    command is repeated.
    """
    with open_database() as engine:
        with engine.connect() as connection:
            found = require_app(connection, app)
        forgotten = forget_user(engine, found, user, now=utc_now())
    typer.echo(
        f"Removed: {whole(forgotten.samples)} samples, {whole(forgotten.sessions)} sessions, "
        f"{whole(forgotten.signals)} signals. "
        f"Explanations blanked: {whole(forgotten.scores)} scores."
    )
