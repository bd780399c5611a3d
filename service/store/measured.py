"""What an SLO's indicator is counted from: its tables, its sums, and how they make a tally.

Everything that is asked of an indicator, how good it was as well as whether it was seen at all, is
read from here: scores of an evaluator, or counts of all calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, FromClause, between, func, literal, not_

from service.domain.indicators import Indicator
from service.domain.latency import EDGES_MS
from service.domain.pieces import Stretch
from service.domain.reported_scores import is_reported
from service.domain.signal_counts import mask_of, tally_of_signals
from service.domain.slis import Tally
from service.domain.slos import OCCURRENCES, Budgeting
from service.store.signal_counts import CALLS_AND_SIGNALS, SIGNAL_SUMS, TOTALS_AND_SIGNALS
from service.store.sli_minutes import SUMS
from service.store.tables import call_counts, call_totals, sli_minutes, sli_totals

_MINUTE = timedelta(minutes=1)
Source = Literal["scores", "calls", "latency", "signals"]


def sums_of(
    source: Source, table: FromClause, bucket: ColumnElement[int] | None
) -> list[ColumnElement[Any]]:
    """What a tally is made of, from counts of minutes or their totals."""
    if source == "scores":
        return [func.sum(table.c[name]) for name in SUMS]
    if source == "signals":
        return [func.sum(table.c[name]) if name in table.c else literal(0) for name in SIGNAL_SUMS]
    if source == "calls":
        counted = [func.sum(table.c[name]) for name in ("calls", "squares")]
        return [*counted, *(total.filter(table.c.outcome == "error") for total in counted)]
    assert bucket is not None  # noqa: S101 - a latency has its limit
    buckets = table.c.latency_counts
    timed, slow = func.sum_counts(buckets, 1), func.sum_counts(buckets, bucket + 2)
    # How many calls each one that was seen stands for is not known by bucket.
    share = table.c.squares / func.nullif(table.c.calls, 0)
    return [func.sum(each) for each in (timed, timed * share, slow, slow * share)]


@dataclass(frozen=True, slots=True)
class Measured:
    """An indicator of an app, and of scores the evaluator version in force.

    Scores of other versions are not mixed in; None: no version is in force.

    excluded: whole minutes that count neither for it nor against it.
    parts:    what a composite is made of, with their weights.
    """

    app_id: int
    indicator: Indicator
    evaluator_version: str | None
    budgeting: Budgeting = OCCURRENCES
    excluded: tuple[Stretch, ...] = ()
    parts: "tuple[tuple[Measured, float], ...]" = ()

    @property
    def is_quality(self) -> bool:
        """Whether scores are counted, not calls."""
        return self.indicator.is_of_scores

    @property
    def is_reported(self) -> bool:
        """Whether the app gives these scores, so that no worker does."""
        return self.evaluator_version is not None and is_reported(self.evaluator_version)

    @property
    def table(self) -> FromClause:
        """Where the counts of minutes are."""
        if self.source == "signals":
            return CALLS_AND_SIGNALS
        return sli_minutes if self.is_quality else call_counts

    @property
    def totals(self) -> FromClause:
        """Where the counts of hours and days are."""
        if self.source == "signals":
            return TOTALS_AND_SIGNALS
        return sli_totals if self.is_quality else call_totals

    @property
    def minute(self) -> ColumnElement[datetime]:
        """The time that rows are counted by."""
        return self.table.c.minute

    @property
    def size(self) -> ColumnElement[int]:
        """How many calls or scores a row counts."""
        return self.table.c.n if self.is_quality else self.table.c.calls

    @property
    def sums(self) -> list[ColumnElement[Any]]:
        """What `tally` is made of, from `table`."""
        bucket = None if self.bucket is None else literal(self.bucket)
        return [func.coalesce(each, 0) for each in sums_of(self.source, self.table, bucket)]

    @property
    def source(self) -> Source:
        """How it is counted."""
        if self.is_quality:
            return "scores"
        kind = self.indicator.kind
        return kind if kind in ("latency", "signals") else "calls"

    @property
    def bucket(self) -> int | None:
        """Of latency: the last bucket that is fast enough."""
        limit = self.indicator.limit
        return EDGES_MS.index(int(limit)) if limit and self.source == "latency" else None

    def tally(self, sums: Sequence[Any]) -> Tally:
        """The tally of a row of `sums`."""
        if self.source == "signals":
            calls, squares, bad_n, bad_w, bad_w2 = sums
            of_bad = (int(bad_n), float(bad_w), float(bad_w2))
            return tally_of_signals(int(calls), float(squares), *of_bad)
        if not self.is_quality:
            total, w2, bad, bad_w2 = sums
            return Tally.from_counts(int(total), int(bad), w2=float(w2), bad_w2=float(bad_w2))
        named = dict(zip(SUMS, sums, strict=True))
        # Sums of bigints are numeric in the database.
        return Tally(**named | {name: int(named[name]) for name in ("n", "bad_n")})

    def judged(self, tally: Tally) -> Tally:
        """A tally with what this indicator calls bad. Add up first: a mean is rounded once."""
        return tally.of_mean() if self.indicator.kind == "mean" else tally

    def within(self, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
        """The rows of minutes in [start, end)."""
        counted = [
            not_(between(self.minute, first, last - _MINUTE)) for first, last in self.excluded
        ]
        return [*self.rows_of(self.table), self.minute >= start, self.minute < end, *counted]

    def rows_of(self, table: FromClause) -> list[ColumnElement[bool]]:
        """The rows of `table` or `totals` that are counted at all."""
        wanted: dict[str, object] = {
            "app_id": self.app_id,
            "environment": self.indicator.environment,
            "task": self.indicator.task,
        }
        if self.is_quality:
            wanted |= {
                "evaluator": self.indicator.evaluator,
                "evaluator_version": self.evaluator_version,
            }
        filters = self.indicator.filters
        narrowed = {name: getattr(filters, name) for name in ("release", "model", "prompt_version")}
        wanted |= {name: value for name, value in narrowed.items() if value is not None}
        rows = [table.c[name] == value for name, value in wanted.items()]
        if self.source == "signals":
            kinds = table.c.kinds
            rows.append(kinds.is_(None) | (kinds.bitwise_and(mask_of(self.indicator.signals)) != 0))
        return rows
