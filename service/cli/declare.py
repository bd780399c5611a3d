"""`watchkeeper apply`: declarations from YAML files."""

from pathlib import Path
from typing import Annotated

import typer

from evaluators import registry
from service.cli.documents import read_documents
from service.cli.open_database import open_database
from service.flows.apply_declarations import apply_declarations
from service.settings import environment
from service.wiring import utc_now


def apply(
    path: Annotated[
        Path,
        typer.Option("-f", "--files", help="A YAML file, or a folder of them.", exists=True),
    ],
) -> None:
    """Bring apps, tasks, channels and SLOs to what the YAML files declare: all, or nothing."""
    files = read_documents(path)
    with open_database() as engine:
        declared = apply_declarations(engine, registry.load(), files, environment(), now=utc_now())
    for channel in declared.channels:
        typer.echo(f"applied channel {channel.name}")
    for app in declared.apps:
        typer.echo(f"applied app {app.name}")
    for task in declared.tasks:
        typer.echo(f"applied task {task.app}/{task.name}")
    for spec in declared.slos:
        typer.echo(f"applied slo {spec.slo.app}/{spec.slo.name}")
