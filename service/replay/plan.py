"""What one replay was asked to do, and the ids that follow from it. Pure, but for the digest."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from service.replay.errors import ReplayUsageError, UnreadableLogError
from service.replay.mapping import Rules, check_constant, check_fields
from service.replay.timing import Spread, TimeColumn, TimeSource, check_format, parse_bound

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:watchkeeper:replay")
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Times:
    """When the calls happened, as it was asked for: a span, or a column."""

    start: str | None = None
    end: str | None = None
    column: str | None = None
    form: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The instants between which rows are spread; relative times are resolved here, once."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what is sent. Another plan is another replay, with other ids."""

    app: str
    task: str
    environment: str
    release: str
    columns: Pairs
    where: Pairs
    times: Times
    keep_probability: float
    limit: int | None = None

    def check(self) -> None:
        """Make sure that the plan can work.

        Raises:
            ReplayUsageError: Says which option is in the way.
        """
        check_fields(self.columns)
        if not self.columns:
            raise ReplayUsageError("Give at least one --map FIELD=COLUMN, as --map prompt=query")
        if "task" not in dict(self.columns):
            check_constant("task", self.task)
        check_constant("environment", self.environment)
        check_constant("release", self.release)
        check_constant("keep_probability", self.keep_probability)
        spread = (self.times.start is not None, self.times.end is not None)
        if any(spread) == (self.times.column is not None) or any(spread) != all(spread):
            raise ReplayUsageError(
                "Say when the calls happened: --from and --to together, or --time-column"
            )
        if self.times.form is not None:
            if self.times.column is None:
                raise ReplayUsageError("--time-format goes with --time-column")
            check_format(self.times.form)

    @property
    def needed_columns(self) -> set[str]:
        """The columns that the log must have."""
        needed = {column for _, column in self.columns} | {column for column, _ in self.where}
        return needed if self.times.column is None else needed | {self.times.column}

    @property
    def rules(self) -> Rules:
        """How its rows become samples."""
        constants = {
            "environment": self.environment,
            "task": self.task,
            "release": self.release,
            "keep_probability": self.keep_probability,
        }
        return Rules(self.columns, constants, self.where)

    def span(self, *, now: datetime) -> Span | None:
        """The span to spread rows over, with its ends resolved; None with a time column."""
        if self.times.start is None or self.times.end is None:
            return None
        start = parse_bound(self.times.start, now=now)
        end = parse_bound(self.times.end, now=now)
        if start >= end:
            raise ReplayUsageError(f"--from ({start}) must be before --to ({end})")
        return Span(start, end)

    def time_source(self, span: Span | None, *, rows: int) -> TimeSource:
        """Where rows get their times from, once it is known how many will be sent."""
        if span is not None:
            return Spread(span.start, span.end, max(rows, 1))
        return TimeColumn(self.times.column or "", self.times.form)

    def journal_id(self, *, digest: str, url: str) -> UUID:
        """Names the journal: the same file with the same options, sent to the same server."""
        times = [self.times.start, self.times.end]
        return uuid5(_NAMESPACE, self._canonical(digest, [*times, url]))

    def seed(self, *, digest: str, span: Span | None) -> UUID:
        """The namespace of sample and batch ids.

        It holds the resolved times: a call at another time is another call.
        """
        times = [] if span is None else [span.start.isoformat(), span.end.isoformat()]
        return uuid5(_NAMESPACE, self._canonical(digest, times))

    def _canonical(self, digest: str, times: list[str | None] | list[str]) -> str:
        parts = (
            *(digest, self.app, self.task, self.environment, self.release),
            *(sorted(self.columns), sorted(self.where), self.times.column, self.times.form),
            *(self.keep_probability, self.limit, times),
        )
        return json.dumps(parts)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    if path.exists() and not path.is_file():
        raise UnreadableLogError(f"{path} is no plain file; a replay reads it more than once")
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableLogError(f"{path} cannot be read: {error.strerror or error}") from None
