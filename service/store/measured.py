"""What an SLO's indicator is counted from: one table, its sums, and how they make a tally.

Everything that is asked of an indicator, how good it was as well as whether it was seen at all, is
read from here: scores for quality, call counts for availability.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, func

from service.domain.reported_scores import is_reported
from service.domain.slis import Tally
from service.domain.slos import Indicator
from service.store.sli_minutes import SUMS
from service.store.tables import call_counts, sli_minutes


@dataclass(frozen=True, slots=True)
class Measured:
    """An indicator of an app, and of quality the evaluator version in force.

    Scores of other versions are not mixed in; None: no version is in force.
    """

    app_id: int
    indicator: Indicator
    evaluator_version: str | None

    @property
    def is_quality(self) -> bool:
        """Whether scores are counted, not calls."""
        return self.indicator.kind == "quality"

    @property
    def is_reported(self) -> bool:
        """Whether the app gives these scores, so that no worker does."""
        return self.evaluator_version is not None and is_reported(self.evaluator_version)

    @property
    def table(self) -> Table:
        """Where the counts are."""
        return sli_minutes if self.is_quality else call_counts

    @property
    def minute(self) -> Column[datetime]:
        """The time that rows are counted by."""
        return self.table.c.minute

    @property
    def size(self) -> Column[int]:
        """How many calls or scores a row counts."""
        return sli_minutes.c.n if self.is_quality else call_counts.c.calls

    @property
    def sums(self) -> list[ColumnElement[Any]]:
        """What `tally` is made of."""
        if self.is_quality:
            return [func.coalesce(func.sum(sli_minutes.c[name]), 0) for name in SUMS]
        counted = [func.sum(call_counts.c[name]) for name in ("calls", "squares")]
        bad = [total.filter(call_counts.c.outcome == "error") for total in counted]
        return [func.coalesce(each, 0) for each in (*counted, *bad)]

    def tally(self, sums: Sequence[Any]) -> Tally:
        """The tally of a row of `sums`."""
        if not self.is_quality:
            total, w2, bad, bad_w2 = sums
            return Tally.from_counts(int(total), int(bad), w2=float(w2), bad_w2=float(bad_w2))
        named = dict(zip(SUMS, sums, strict=True))
        # Sums of bigints are numeric in the database.
        return Tally(**named | {name: int(named[name]) for name in ("n", "bad_n")})

    def within(self, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
        """The rows of minutes in [start, end)."""
        where = [
            self.table.c.app_id == self.app_id,
            self.minute >= start,
            self.minute < end,
            self.table.c.environment == self.indicator.environment,
            self.table.c.task == self.indicator.task,
        ]
        if self.is_quality:
            where += [
                sli_minutes.c.evaluator == self.indicator.evaluator,
                sli_minutes.c.evaluator_version == self.evaluator_version,
            ]
        return where
