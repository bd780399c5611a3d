"""A batch that was refused as too large, as two batches of half its items each."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

from watchkeeper.batches import Batch
from watchkeeper.compression import compressed, decompressed
from watchkeeper.samples import wire_json

_KINDS = ("samples", "call_counts", "signals")


def halves_of(batch: Batch) -> tuple[Batch, ...]:
    """Two; none where the batch has a single item, or none at all.

    Their ids follow from that of the batch: should a process end while it puts them in the place
    of the batch, the next one halves it into the same two, and the server counts each once.
    """
    content = json.loads(decompressed(batch.body))
    items = sum(len(content.get(kind, ())) for kind in _KINDS)
    if items < 2:
        return ()
    first, second = _cut(content, items // 2)
    rows = len(first["call_counts"])
    return (
        _half(batch, first, "first", batch.row_calls[:rows]),
        _half(batch, second, "second", batch.row_calls[rows:]),
    )


def _cut(content: dict[str, Any], place: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Samples, counts and signals in a row, cut before the item at `place`."""
    first, second = {**content}, {**content}
    for kind in _KINDS:
        entries = content.get(kind)
        if entries is not None:
            first[kind], second[kind] = entries[:place], entries[place:]
            place = max(place - len(entries), 0)
    return first, second


def _half(batch: Batch, content: dict[str, Any], which: str, row_calls: tuple[int, ...]) -> Batch:
    # Of the oldest call and signal each keeps the number of the whole: what waits for those waits
    # for both halves.
    batch_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{batch.batch_id}/{which}"))
    return replace(
        batch,
        batch_id=batch_id,
        body=compressed(wire_json({**content, "batch_id": batch_id})),
        samples=len(content["samples"]),
        signals=len(content.get("signals", ())),
        row_calls=row_calls,
    )
