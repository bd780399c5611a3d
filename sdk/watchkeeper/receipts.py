"""What the server's answer to a batch means for the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watchkeeper.batches import Batch
from watchkeeper.ledger import Ledger

_REASON_CHARACTERS = 200
_POINTER = re.compile(r"/(samples|call_counts)/(\d{1,9})(?:/|$)")


def book_lost(batch: Batch, reason: str, ledger: Ledger) -> None:
    with ledger.lock:
        ledger.book_dropped(reason, batch.samples)
        ledger.book_uncounted(reason, batch.calls)
        ledger.book_signals_dropped(reason, batch.signals)


def book_answer(batch: Batch, answer: Mapping[str, Any], ledger: Ledger) -> None:
    """Books a 202: duplicates are stored too, by an attempt whose answer was lost."""
    reasons = _rejections(answer.get("rejections"))
    of_samples = {index: text for (kind, index), text in reasons.items() if kind == "samples"}
    of_rows = {index for kind, index in reasons if kind == "call_counts"}
    rejected = min(_whole(answer.get("rejected"), len(of_samples)), batch.samples)
    uncounted = sum(calls for index, calls in enumerate(batch.row_calls) if index in of_rows)
    signals = min(_whole(answer.get("signals_rejected"), 0), batch.signals)
    with ledger.lock:
        for text in list(of_samples.values())[:rejected]:
            ledger.book_rejected(text)
        ledger.book_rejected("unstated", max(rejected - len(of_samples), 0))
        ledger.book_uncounted("rejected", uncounted)
        ledger.book_stored(batch.samples - rejected, batch.calls - uncounted)
        ledger.book_signals_dropped("rejected", signals)
        ledger.book_signals_stored(batch.signals - signals)


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
