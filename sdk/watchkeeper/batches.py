"""Batches: the body that is posted, frozen, and what the server's answer means for the ledger."""

from __future__ import annotations

import gzip
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watchkeeper.backlog import Backlog, KeptSample
from watchkeeper.counts import CallCounts, wire_row
from watchkeeper.ledger import Ledger
from watchkeeper.samples import wire_json
from watchkeeper.settings import Settings

# Half of what the server takes (20 MB decompressed, 5000 items of a kind).
MAX_ITEMS = 2_500
MAX_SAMPLE_BYTES = 7_000_000
MAX_COUNT_BYTES = 3_000_000
_GZIP_LEVEL = 1  # a tenth of the CPU time of level 6 for about a tenth more bytes
_REASON_CHARACTERS = 200
_POINTER = re.compile(r"/(samples|call_counts)/(\d{1,9})(?:/|$)")


@dataclass(frozen=True)
class Batch:
    """The same bytes at every attempt: the server stores a batch id once, so a retry after a lost
    answer counts nothing twice."""

    batch_id: str
    body: bytes
    samples: int
    row_calls: tuple[int, ...]
    """Calls behind each row of its counts."""
    first_number: int
    """Of the oldest call in it."""

    @property
    def calls(self) -> int:
        return sum(self.row_calls)


def build_batch(settings: Settings, backlog: Backlog, counts: CallCounts) -> Batch | None:
    """Takes what fits from both; None where both are empty."""
    first = [n for n in (backlog.first_number, counts.first_number) if n is not None]
    if not first:
        return None
    batch_id = str(uuid.uuid4())
    samples = backlog.pop_within(MAX_ITEMS, MAX_SAMPLE_BYTES)
    rows, row_calls = _pop_rows(settings, counts)
    return Batch(
        batch_id=batch_id,
        body=gzip.compress(_body(batch_id, settings.app, samples, rows), _GZIP_LEVEL),
        samples=len(samples),
        row_calls=row_calls,
        first_number=min(first),
    )


def book_lost(batch: Batch, reason: str, ledger: Ledger) -> None:
    with ledger.lock:
        ledger.book_dropped(reason, batch.samples)
        ledger.book_uncounted(reason, batch.calls)


def book_answer(batch: Batch, answer: Mapping[str, Any], ledger: Ledger) -> None:
    """Books a 202: duplicates are stored too, by an attempt whose answer was lost."""
    reasons = _rejections(answer.get("rejections"))
    of_samples = {index: text for (kind, index), text in reasons.items() if kind == "samples"}
    of_rows = {index for kind, index in reasons if kind == "call_counts"}
    rejected = min(_whole(answer.get("rejected"), len(of_samples)), batch.samples)
    uncounted = sum(calls for index, calls in enumerate(batch.row_calls) if index in of_rows)
    with ledger.lock:
        for text in list(of_samples.values())[:rejected]:
            ledger.book_rejected(text)
        ledger.book_rejected("unstated", max(rejected - len(of_samples), 0))
        ledger.book_uncounted("rejected", uncounted)
        ledger.book_stored(batch.samples - rejected, batch.calls - uncounted)


def _body(batch_id: str, app: str, samples: list[KeptSample], rows: list[bytes]) -> bytes:
    # The samples are JSON already: joined, not parsed and written again.
    head = b'{"batch_id":%b,"app":%b,"samples":[' % (wire_json(batch_id), wire_json(app))
    kept = b",".join(sample.body for sample in samples)
    return b"".join((head, kept, b'],"call_counts":[', b",".join(rows), b"]}"))


def _pop_rows(settings: Settings, counts: CallCounts) -> tuple[list[bytes], tuple[int, ...]]:
    rows: list[bytes] = []
    row_calls: list[int] = []
    written = 0
    while len(counts) and len(rows) < MAX_ITEMS and written < MAX_COUNT_BYTES:
        key, tally = counts.pop()
        row = wire_json(wire_row(key, tally, settings.environment, settings.release))
        rows.append(row)
        row_calls.append(tally.calls)
        written += len(row)
    return rows, tuple(row_calls)


def _rejections(stated: object) -> dict[tuple[str, int], str]:
    """The first reason of each rejected item."""
    reasons: dict[tuple[str, int], str] = {}
    for entry in stated if isinstance(stated, list) else []:
        if isinstance(entry, dict):
            found = _POINTER.match(str(entry.get("pointer")))
            if found:
                text = str(entry.get("reason") or "unstated")[:_REASON_CHARACTERS]
                reasons.setdefault((found[1], int(found[2])), text)
    return reasons


def _whole(stated: object, otherwise: int) -> int:
    return stated if type(stated) is int and stated >= 0 else otherwise
