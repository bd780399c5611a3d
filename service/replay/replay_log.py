"""The whole of a replay: survey the log, then send it batch by batch and write down how far."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from service.replay.batches import build_batch, chunks
from service.replay.errors import (
    BatchRefusedError,
    LogChangedError,
    ReplayUsageError,
    ServerRefusedError,
)
from service.replay.journal import Entry, Journal
from service.replay.mapping import Skip
from service.replay.outgoing import Outgoing, Survey, outgoing, values_of
from service.replay.plan import Plan, Span
from service.replay.receipts import Tally
from service.replay.rows import check_columns, read_rows
from service.replay.timing import Spread, TimeSource


class Posts(Protocol):
    """What takes a batch and returns its receipt."""

    def post(self, body: bytes) -> Mapping[str, Any]:
        """Post until acknowledged."""


@dataclass(frozen=True, slots=True)
class Log:
    """A file as it was when the replay began."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every row."""

    calls: int
    skipped: Mapping[str, int]
    tally: Tally


def survey_log(
    log: Log, plan: Plan, span: Span | None, *, on_rows: Callable[[int], None] = lambda _: None
) -> Survey:
    """Read the log once, to count what will be sent and to find what is in the way.

    Raises:
        ReplayUsageError: A column is missing, or `--where` matches no row.
    """
    check_columns(log.path, plan.needed_columns)
    survey = Survey()
    # Even distances need the number of calls, which is what is counted here.
    times: TimeSource = (
        plan.time_source(None, rows=0) if span is None else Spread(span.start, span.start, 1)
    )
    seed = plan.seed(digest=log.digest, span=span)
    for outcome in outgoing(read_rows(log.path), plan.rules, times, seed, plan.limit):
        survey.add(outcome)
        on_rows(survey.rows)
    if survey.all_filtered:
        raise ReplayUsageError(_nothing_matches(log, plan))
    return survey


def replay_log(
    log: Log,
    plan: Plan,
    begun: Entry,
    journal: Journal,
    server: Posts,
    *,
    calls: int,
    on_calls: Callable[[int], None] = lambda _: None,
    now: Callable[[], datetime],
) -> Outcome:
    """Send what the journal's entry leaves to be sent.

    The entry is written before the first batch, because relative times are resolved in it: a
    batch that was stored without our hearing of it must be posted again with the same times.
    """
    entry = begun
    journal.write(entry)
    seed = plan.seed(digest=log.digest, span=entry.span)
    times = plan.time_source(entry.span, rows=calls)
    skipped: Counter[str] = Counter()
    state = log.path.stat()
    rows = outgoing(read_rows(log.path), plan.rules, times, seed, plan.limit)
    for piece in chunks(_left(rows, entry.acknowledged, skipped), size=entry.batch_size):
        if (log.path.stat().st_mtime_ns, log.path.stat().st_size) != (
            state.st_mtime_ns,
            state.st_size,
        ):
            raise LogChangedError(f"{log.path.name} changed while it was replayed; copy it first")
        entry = _send(piece, entry, journal, server, plan.app, seed)
        on_calls(entry.acknowledged)
    entry = replace(entry, finished_at=now())
    journal.write(entry)
    return Outcome(entry.acknowledged, skipped, entry.tally)


def _left(
    rows: Iterator[Outgoing | Skip], acknowledged: int, skipped: Counter[str]
) -> Iterator[Outgoing]:
    calls = 0
    for row in rows:
        if isinstance(row, Skip):
            skipped[row.reason] += 1
            continue
        calls += 1
        if calls > acknowledged:
            yield row


def _send(
    piece: list[Outgoing], entry: Entry, journal: Journal, server: Posts, app: str, seed: UUID
) -> Entry:
    batch = build_batch(piece, app=app, seed=seed, first=entry.acknowledged)
    try:
        receipt = server.post(batch.body)
    except BatchRefusedError:
        # Nothing of it is stored, so from here on batches may be cut in another size.
        journal.write(replace(entry, recut=True))
        raise
    try:
        tally = entry.tally.with_receipt(receipt)
    except (KeyError, TypeError, ValueError):
        raise ServerRefusedError("The server's answer is no receipt; check --url") from None
    entry = entry.after_batch(batch.calls, tally)
    journal.write(entry)
    return entry


def _nothing_matches(log: Log, plan: Plan) -> str:
    for column, wanted in plan.where:
        values = values_of(read_rows(log.path), column)
        if wanted not in values:
            shown = ", ".join(map(repr, values))
            return f"No row has {column}={wanted}. Values of that column are: {shown}"
    return "No row meets all of --where together"
