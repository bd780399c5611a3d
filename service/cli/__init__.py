"""The command line: `watchkeeper COMMAND`."""

import sys

import typer
from rich.console import Console

from service.cli import corrections, database, declare, jobs, keys, run, slo, users
from service.cli.backtest import backtest
from service.cli.demo import demo
from service.cli.export import export
from service.cli.gate import gate
from service.cli.rebuild import rebuild
from service.cli.replay import replay
from service.cli.report import report
from service.errors import WatchkeeperError

app = typer.Typer(
    name="watchkeeper",
    help="Keeps watch over AI applications in production.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(run.up)
app.command()(run.serve)
app.command()(run.work)
app.command()(database.migrate)
app.command()(declare.apply)
app.command()(replay)
app.command()(export)
app.command()(demo)
app.command()(gate)
app.command()(backtest)
app.command()(rebuild)
app.add_typer(keys.keys, name="keys")
app.add_typer(jobs.jobs, name="jobs")
app.add_typer(corrections.corrections, name="corrections")
app.add_typer(users.users, name="users")
app.add_typer(slo.slo, name="slo")
app.add_typer(report, name="report")


def run_command_line() -> None:
    """Run a command; an error of ours is a line for its reader, not a traceback."""
    try:
        app()
    except WatchkeeperError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {error.title}.", highlight=False)
        Console(stderr=True).print(str(error), highlight=False, markup=False, soft_wrap=True)
        sys.exit(1)
