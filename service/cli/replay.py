"""`watchkeeper replay`: post the calls of an existing log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

import platformdirs
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.errors import WatchkeeperError
from service.replay.errors import (
    PartlyRejectedError,
    ReplayUsageError,
    ServerUnreachableError,
)
from service.replay.journal import Entry, Journal
from service.replay.outgoing import Survey
from service.replay.plan import Pairs, Plan, Span, Times, digest_of
from service.replay.replay_log import Log, replay_log, survey_log
from service.replay.report import list_outcome, list_survey
from service.replay.sender import Sender

_TIMES = "RFC 3339, or relative to now: -30d, -36h, -90m, now."

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="CSV or JSON lines (.csv, .jsonl, .ndjson; .gz of each)."),
]
App = Annotated[str, typer.Option("--app", help="The app that the calls belong to.")]
Task = Annotated[str, typer.Option("--task", help="Their task, unless a column holds it.")]
Url = Annotated[
    str, typer.Option("--url", envvar="WATCHKEEPER_URL", help="Where Watchkeeper answers.")
]
ApiKey = Annotated[
    str,
    typer.Option(
        "--api-key", envvar="WATCHKEEPER_API_KEY", show_default=False, help="A key of the app."
    ),
]
Environment = Annotated[str, typer.Option("--environment", help="Their environment.")]
Release = Annotated[str, typer.Option("--release", help="The app's version at that time.")]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="A field of the sample and the column that fills it; give it once for each field. "
        "latency_s is taken in seconds; attributes.NAME makes an attribute; in JSON lines, "
        "response.text reaches into nested objects. Empty cells are left out, but a row is "
        "skipped if its prompt, task, environment, outcome, sample_id or keep_probability is "
        "mapped and empty.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="COLUMN=VALUE",
        help="Only rows that hold this text; given more than once, all of them.",
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help=f"Spread the rows evenly, in their order, from here to --to. {_TIMES} "
        "A run that continues keeps the times of its beginning; once its journal is finished "
        "or lost, relative times mean new times, and so new calls.",
    ),
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="See --from.")]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        "--time-column",
        metavar="COLUMN",
        help="Take each call's time from this column: ISO 8601, or Unix seconds or "
        "milliseconds. Without an offset it is UTC.",
    ),
]
TimeFormat = Annotated[
    str | None,
    typer.Option(
        "--time-format", metavar="FORMAT", help='Of the time column, as "%m/%d/%Y, %H:%M:%S".'
    ),
]
KeepProbability = Annotated[
    float,
    typer.Option(
        "--keep-probability",
        help="With which probability a call got into the log. A log of every call is 1. "
        "Rows are counted as they are: calls that the log left out are not made up.",
    ),
]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, max=5000, help="Most calls in one post.")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only the first N calls; a replay of its own."),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir", help="Where the journal is kept, instead of the user's state folder."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and count, but send nothing.")]
Again = Annotated[bool, typer.Option("--again", help="Send although it was finished before.")]


def replay(
    file: File,
    app: App,
    task: Task = "",
    url: Url = "http://127.0.0.1:8000",
    api_key: ApiKey = "",
    environment: Environment = "production",
    release: Release = "",
    mapped: Mapped = None,
    where: Where = None,
    from_: From = None,
    to: To = None,
    time_column: TimeColumn = None,
    time_format: TimeFormat = None,
    keep_probability: KeepProbability = 1.0,
    batch_size: BatchSize = 500,
    limit: Limit = None,
    state_dir: StateDir = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> None:
    """Post the calls of an existing log: each row is one call, stored once.

    Interrupted, the same command continues. The same file with the same options is the same
    replay; a file that has changed, or other options, make another one, with other calls.

    Exit codes: 0 the server took every call that was sent; 1 the server, the log or this machine
    is in the way, or no call was taken; 2 wrong usage; 3 finished, but the server rejected some of
    the calls or of their counts; 130 interrupted. Rows that are skipped do not change it.
    """
    with _errors_told():
        times = Times(from_, to, time_column, time_format)
        columns, filters = _pairs("--map", mapped), _pairs("--where", where)
        plan = Plan(
            *(app, task, environment, release, columns, filters, times, keep_probability, limit)
        )
        plan.check()
        log = Log(file, digest_of(file))
        if dry_run:
            _list(list_survey(_survey(log, plan, plan.span(now=datetime.now(UTC)))))
            return
        journal = Journal.of(
            state_dir or Path(platformdirs.user_state_dir("watchkeeper")),
            plan.journal_id(digest=log.digest, url=url.rstrip("/")),
        )
        with Sender(url, api_key, on_wait=_tell) as sender:
            _run(log, plan, journal, sender, batch_size=batch_size, again=again)


def _run(
    log: Log, plan: Plan, journal: Journal, sender: Sender, *, batch_size: int, again: bool
) -> None:
    known = journal.read()
    if known is not None and known.finished_at is not None and not again:
        _list([f"This replay was finished at {known.finished_at:%Y-%m-%d %H:%M} UTC."])
        _list([f"{known.acknowledged:,} calls were sent. To send them again, add --again."])
        known.tally.require_all_taken()
        return
    entry = _beginning(known, plan, batch_size)
    survey = _survey(log, plan, entry.span)
    if not survey.calls:
        _list(list_survey(survey))
        raise ReplayUsageError("No row can be sent; the reasons are above")
    with _progress("Sending", survey.calls) as advance:
        advance(entry.acknowledged)
        outcome = replay_log(
            *(log, plan, entry, journal, sender),
            calls=survey.calls,
            on_calls=advance,
            now=lambda: datetime.now(UTC),
        )
    _list(list_outcome(outcome))
    if not outcome.tally.accepted + outcome.tally.duplicate:
        raise WatchkeeperError("The server took none of the calls; its reasons are above")
    outcome.tally.require_all_taken()


def _beginning(known: Entry | None, plan: Plan, batch_size: int) -> Entry:
    """Where to begin: where the last run ended, or at the first row."""
    if known is None or known.finished_at is not None:
        return Entry(plan.span(now=datetime.now(UTC)), batch_size)
    _tell(f"Continuing after {known.acknowledged:,} calls of an earlier run")
    if known.span is not None:
        _tell(f"with its times, from {known.span.start:%F %T} to {known.span.end:%F %T} UTC")
    if known.recut:
        return replace(known, batch_size=batch_size, recut=False)
    if known.batch_size != batch_size:
        _tell(f"with its --batch-size of {known.batch_size}, so that no call is counted twice")
    return known


def _survey(log: Log, plan: Plan, span: Span | None) -> Survey:
    with _progress("Reading", None) as advance:
        return survey_log(log, plan, span, on_rows=advance)


def _pairs(option: str, texts: list[str] | None) -> Pairs:
    pairs = []
    for text in texts or []:
        left, equals, right = text.partition("=")
        if not equals or not left or (option == "--map" and not right):
            form = "FIELD=COLUMN" if option == "--map" else "COLUMN=VALUE"
            raise ReplayUsageError(f"{option} {text!r} is not of the form {form}")
        pairs.append((left, right))
    return tuple(pairs)


@contextmanager
def _errors_told() -> Iterator[None]:
    """Errors as one sentence, and the exit code that the help of `replay` tells."""
    try:
        yield
    except ReplayUsageError as error:
        _tell(f"Error: {error}")
        raise typer.Exit(2) from None
    except PartlyRejectedError as error:
        _tell(f"Error: {error}")
        raise typer.Exit(3) from None
    except ServerUnreachableError as error:
        _tell(f"Error: {error}. Is it running there? The same command again continues")
        raise typer.Exit(1) from None
    except WatchkeeperError as error:
        _tell(f"Error: {error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _tell("Interrupted. The same command again continues")
        raise typer.Exit(130) from None


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere a line for every tenth of a known total."""
    console = _stderr()
    if not console.is_terminal:
        yield _plain_progress(what, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        shown = bar.add_task(what, total=total)

        def advance(done: int) -> None:
            if total is not None or done % 1000 == 0:
                bar.update(shown, completed=done)

        yield advance


def _plain_progress(what: str, total: int | None) -> Callable[[int], None]:
    told = 0

    def advance(done: int) -> None:
        nonlocal told
        if total is not None and done * 10 // total > told:
            told = done * 10 // total
            _tell(f"{what}: {done:,} of {total:,}")

    return advance


@cache
def _stderr() -> Console:
    """One for bar and sentences, so that a sentence goes above the bar and not into it."""
    return Console(stderr=True)


def _tell(sentence: str) -> None:
    _write(_stderr(), f"{sentence}.")


def _list(lines: list[str]) -> None:
    for line in lines:
        _write(Console(), line)


def _write(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)
