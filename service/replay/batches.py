"""Calls in batches: the same calls always make the same batches, with the same ids. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from service.domain.latency import bucket_of, name_of
from service.replay.outgoing import BATCH_BYTES, Outgoing

_SLICE = ("environment", "task", "release", "model", "prompt_version", "outcome")
_SUMS = ("input_tokens", "output_tokens", "cost_usd")
_ABSENT = {"outcome": "ok"}


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    """One body to post."""

    batch_id: UUID
    calls: int
    body: bytes


def chunks(
    calls: Iterable[Outgoing], *, size: int, most_bytes: int = BATCH_BYTES
) -> Iterator[list[Outgoing]]:
    """Cut a stream into pieces of at most `size` calls and `most_bytes`.

    A piece depends on where it begins and on what follows, not on what went before. So a replay
    that begins again at the edge of a piece makes the same pieces from there on.
    """
    piece: list[Outgoing] = []
    held = 0
    for call in calls:
        if piece and (len(piece) == size or held + len(call.encoded) > most_bytes):
            yield piece
            piece, held = [], 0
        piece.append(call)
        held += len(call.encoded)
    if piece:
        yield piece


def call_counts(calls: Sequence[Outgoing]) -> list[dict[str, Any]]:
    """Each call counted once, in the minute and slice that it belongs to."""
    counts: dict[tuple[str, ...], dict[str, Any]] = {}
    for call in calls:
        minute = call.called_at.replace(second=0, microsecond=0).isoformat()
        slice_ = {name: call.sample.get(name, _ABSENT.get(name, "")) for name in _SLICE}
        key = (minute, *slice_.values())
        count = counts.get(key)
        if count is None:
            count = counts[key] = {"minute": minute, **slice_, "calls": 0}
        count["calls"] += 1
        for name in _SUMS:
            if name in call.sample:
                count[name] = count.get(name, 0) + call.sample[name]
        if "latency_ms" in call.sample:
            bucket = name_of(bucket_of(call.sample["latency_ms"]))
            latencies = count.setdefault("latency_counts", {})
            latencies[bucket] = latencies.get(bucket, 0) + 1
    return list(counts.values())


def build_batch(calls: Sequence[Outgoing], *, app: str, seed: UUID, first: int) -> OutgoingBatch:
    """The body of a batch whose first call is the `first`-th of the replay.

    Its id follows from its place and its content: what was stored before is then recognised by
    the server, and what is different is never taken for it.
    """
    counts = json.dumps(call_counts(calls), ensure_ascii=False, separators=(",", ":")).encode()
    samples = b",".join(call.encoded for call in calls)
    content = hashlib.sha256(samples + b"\n" + counts).hexdigest()
    batch_id = uuid5(seed, f"batch {first} {content}")
    head = json.dumps({"batch_id": str(batch_id), "app": app}).encode().removesuffix(b"}")
    body = b'%b,"samples":[%b],"call_counts":%b}' % (head, samples, counts)
    return OutgoingBatch(batch_id, len(calls), body)
