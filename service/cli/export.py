"""`watchkeeper export`: stored samples as a file, whatever their number, in little memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine

from service.cli.export_formats import JsonLines, Parquet, SampleWriter
from service.cli.export_target import STANDARD_OUTPUT, open_target
from service.cli.open_database import open_database
from service.domain.calls import SampleKey
from service.domain.spelling import whole
from service.errors import InvalidInputError
from service.replay.timing import parse_bound
from service.store.exported_samples import Page, Wanted, read_page, read_scores
from service.store.known_apps import require_app
from service.wiring import utc_now

_PAGE_ROWS = 1_000
_TIMES = "RFC 3339, or relative to now: -7d, -36h, -90m, now."

App = Annotated[str, typer.Option("--app", help="The app whose samples are exported.")]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="The file, replaced when the export is complete; - is standard output. A name that "
        "ends in .gz is compressed.",
    ),
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help=f"Only calls from here on. {_TIMES}")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only calls before this time.")]
Format = Annotated[
    Literal["jsonl", "parquet"] | None,
    typer.Option("--format", help="[default: parquet where the name ends so, else jsonl]"),
]
WithScores = Annotated[bool, typer.Option("--scores", help="With the scores of each sample.")]
Filter = Annotated[str | None, typer.Option(show_default=False, help="Only samples with this.")]
Outcome = Annotated[
    Literal["ok", "error"] | None, typer.Option(help="Only samples with this outcome.")
]
SampleId = Annotated[UUID | None, typer.Option(help="Only this sample.")]


class UnusableRangeError(InvalidInputError):
    """The range of times is empty."""


class BinaryOutputError(InvalidInputError):
    """A terminal cannot show this format."""


def export(
    app: App,
    output: Output,
    since: Since = None,
    until: Until = None,
    form: Format = None,
    scores: WithScores = False,
    environment: Filter = None,
    task: Filter = None,
    release: Filter = None,
    model: Filter = None,
    prompt_version: Filter = None,
    outcome: Outcome = None,
    session_id: Filter = None,
    user_id: Filter = None,
    sample_id: SampleId = None,
) -> None:
    """Write stored samples to a file, the oldest call first. It holds prompts and answers."""
    now = utc_now()
    wanted = Wanted(
        since=parse_bound(since, now=now) if since is not None else None,
        until=parse_bound(until, now=now) if until is not None else None,
        sample_id=sample_id,
        environment=environment,
        task=task,
        release=release,
        model=model,
        prompt_version=prompt_version,
        outcome=outcome,
        session_id=session_id,
        user_id=user_id,
    )
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise UnusableRangeError("--since must be before --until")
    console = Console(stderr=True)
    written = _Export(output, form or _format_of(output), scores).run(app, wanted, console)
    console.print(f"Exported {whole(written)} samples to {output}", highlight=False, markup=False)


@dataclass(frozen=True, slots=True)
class _Export:
    output: Path
    form: Literal["jsonl", "parquet"]
    with_scores: bool

    def run(self, app_name: str, wanted: Wanted, console: Console) -> int:
        """Write everything; returns how many samples it was."""
        written = 0
        with open_database() as engine:
            with engine.connect() as connection:
                app_id = require_app(connection, app_name).id
            with (
                open_target(self.output) as stream,
                self._writer(stream) as writer,
                _progress(console) as progress,
            ):
                bar = progress.add_task("", at="")
                for page in _pages(engine, app_id, wanted):
                    self._write(engine, app_id, page, writer)
                    written += len(page.samples)
                    at = f"{page.ends_at[0]:%Y-%m-%d %H:%M} UTC" if page.ends_at else ""
                    progress.update(bar, completed=written, at=at)
        return written

    def _write(self, engine: Engine, app_id: int, page: Page, writer: SampleWriter) -> None:
        scores = None
        if self.with_scores:
            with engine.connect() as connection:
                scores = read_scores(connection, app_id, page.samples)
        writer.write(page.samples, scores)

    def _writer(self, stream: IO[bytes]) -> SampleWriter:
        if self.form == "jsonl":
            return JsonLines(stream, compressed=self.output.suffix == ".gz")
        if stream.isatty():
            raise BinaryOutputError("Parquet is binary; name a file: --output samples.parquet")
        return Parquet(stream, with_scores=self.with_scores)


def _pages(engine: Engine, app_id: int, wanted: Wanted) -> Iterator[Page]:
    """In a transaction each: one for all would keep every partition that expires meanwhile."""
    after: SampleKey | None = None
    while True:
        with engine.connect() as connection:
            page = read_page(connection, app_id, wanted, order="asc", limit=_PAGE_ROWS, after=after)
        yield page
        after = page.ends_at
        if after is None:
            return


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} samples"),
        TextColumn("{task.fields[at]}"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield progress


def _format_of(output: Path) -> Literal["jsonl", "parquet"]:
    return "parquet" if output != STANDARD_OUTPUT and output.suffix == ".parquet" else "jsonl"
