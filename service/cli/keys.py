"""`watchkeeper keys`: API keys of apps."""

from datetime import datetime
from enum import Enum
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.open_database import open_database
from service.domain.api_keys import Scope
from service.flows.create_api_key import create_api_key
from service.flows.list_api_keys import list_api_keys
from service.flows.revoke_api_key import revoke_api_key
from service.store.api_keys import StoredKey
from service.wiring import utc_now


class ScopeName(Enum):
    """Every `Scope`, in the form that options know."""

    INGEST = "ingest"
    READ = "read"
    ERASE = "erase"
    CORRECT = "correct"


keys = typer.Typer(help="API keys of apps.", no_args_is_help=True)
App = Annotated[str, typer.Option("--app", help="The app that the keys are for.")]
Scopes = Annotated[
    list[ScopeName],
    typer.Option(
        "--scope",
        help="What the key may do: bring calls in, read stored samples and how SLOs stand, erase "
        "what is stored of a user, correct what counts for SLOs. Give it once for each.",
    ),
]
RateLimit = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="N",
        show_default=False,
        help="Samples, counts and signals a second, with each API process. "
        "[default: the server's own limit]",
    ),
]
Prefix = Annotated[str, typer.Argument(help="The key's first characters, as `list` shows them.")]

_INGEST_ONLY = [ScopeName.INGEST]


@keys.callback()
def _group() -> None:
    """API keys of apps."""


@keys.command()
def create(app: App, scopes: Scopes = _INGEST_ONLY, rate_limit: RateLimit = None) -> None:
    """Create a key for an app. It is printed once; only its hash is stored.

    Other keys of the app stay in force: create the second, give it to the app, see in `list` that
    the first is used no more, and revoke it.
    """
    chosen: set[Scope] = {scope.value for scope in scopes}
    with open_database() as engine:
        key = create_api_key(engine, app, scopes=chosen, rate_limit_per_s=rate_limit, now=utc_now())
    typer.echo(key.secret)


@keys.command("list")
def show(app: App) -> None:
    """The keys of an app by their first characters: what they may do, and when they were used."""
    with open_database() as engine:
        found = list_api_keys(engine, app)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Key", "May", "Items per second", "Created", "Last used", "Revoked"):
        table.add_column(heading)
    for key in found:
        table.add_row(*(Text(cell) for cell in _cells(key)))
    Console().print(table if found else Text(f"The app '{app}' has no keys."))


def _cells(key: StoredKey) -> tuple[str, ...]:
    limit = "" if key.rate_limit_per_s is None else f"{key.rate_limit_per_s:,g}"
    may = ", ".join(sorted(key.scopes))
    used, revoked = _moment(key.last_used_at, "never"), _moment(key.revoked_at, "")
    return f"{key.prefix}...", may, limit, _moment(key.created_at, ""), used, revoked


def _moment(at: datetime | None, otherwise: str) -> str:
    return otherwise if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


@keys.command()
def revoke(prefix: Prefix, app: App) -> None:
    """Refuse a key from now on. It cannot be taken back."""
    with open_database() as engine:
        revoked = revoke_api_key(engine, app, prefix, now=utc_now())
    typer.echo(f"Revoked: {revoked}... It is refused from now on.")
