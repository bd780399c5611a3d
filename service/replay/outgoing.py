"""Rows on their way out: every row is either sent or skipped with a reason."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from service.replay.mapping import FILTERED, Rules, Skip, text_of, to_sample
from service.replay.rows import BrokenRow, Row, value_at
from service.replay.timing import Spread, TimeSource

BATCH_BYTES = 8_000_000
"""Of the samples of a batch, uncompressed. The server takes 20 MB, counts included."""
VALUES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A call that will be sent, and its JSON, which is made once."""

    called_at: datetime
    sample: dict[str, Any]
    encoded: bytes


def outgoing(
    rows: Iterable[Row | BrokenRow],
    rules: Rules,
    times: TimeSource,
    seed: UUID,
    limit: int | None = None,
) -> Iterator[Outgoing | Skip]:
    """What becomes of each row, in order; ends after `limit` calls."""
    sent = 0
    for row in rows:
        if sent == limit:
            return
        outcome = _outcome(row, rules, times, seed, sent)
        sent += isinstance(outcome, Outgoing)
        yield outcome


def _outcome(
    row: Row | BrokenRow, rules: Rules, times: TimeSource, seed: UUID, index: int
) -> Outgoing | Skip:
    if isinstance(row, BrokenRow):
        return Skip(row.reason)
    sample = to_sample(row.values, rules)
    if isinstance(sample, Skip):
        return sample
    if isinstance(times, Spread):
        called_at: datetime | None = times.time_at(index)
    else:
        called_at = times.time_of(row.values)
    if called_at is None:
        return Skip("called_at: not a time")
    sample.setdefault("sample_id", str(uuid5(seed, str(row.number))))
    sample["called_at"] = called_at.isoformat()
    encoded = json.dumps(sample, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > BATCH_BYTES:
        return Skip("larger than a batch may be")
    return Outgoing(called_at, sample, encoded)


@dataclass(slots=True)
class Survey:
    """What a pass over the whole log found, before anything is sent."""

    calls: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    first: Outgoing | None = None
    earliest: datetime | None = None
    latest: datetime | None = None

    @property
    def rows(self) -> int:
        """All rows that were read."""
        return self.calls + self.skipped.total()

    @property
    def all_filtered(self) -> bool:
        """Whether `--where` left nothing, although there are rows."""
        return self.rows > 0 and self.skipped[FILTERED.reason] == self.rows

    def add(self, outcome: Outgoing | Skip) -> None:
        """Count one row."""
        if isinstance(outcome, Skip):
            self.skipped[outcome.reason] += 1
            return
        self.calls += 1
        self.first = self.first or outcome
        self.earliest = min(self.earliest or outcome.called_at, outcome.called_at)
        self.latest = max(self.latest or outcome.called_at, outcome.called_at)


def values_of(rows: Iterable[Row | BrokenRow], column: str) -> list[str]:
    """Some different values of a column, for a message about a `--where` that matches nothing."""
    seen: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Row):
            seen[text_of(value_at(row.values, column))[:80]] = None
        if len(seen) == VALUES_SHOWN:
            break
    return list(seen)
