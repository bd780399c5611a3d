"""Batches: the body that is posted, frozen, with the ledger of the instance that sends it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Callable, Protocol

from watchkeeper.backlog import Backlog
from watchkeeper.compression import compressed, decompressed
from watchkeeper.counts import CallCounts, wire_row
from watchkeeper.ledger import Stats
from watchkeeper.samples import wire_json
from watchkeeper.settings import Settings

# Half of what the server takes (20 MB decompressed, 5000 items of a kind).
MAX_ITEMS = 2_500
MAX_SAMPLE_BYTES = 7_000_000
MAX_COUNT_BYTES = 2_000_000
MAX_SIGNAL_BYTES = 1_000_000
SDK = "python/0.1.0"


@dataclass(frozen=True)
class Batch:
    """The same bytes at every attempt: the server stores a batch id once, so a retry after a lost
    answer counts nothing twice."""

    batch_id: str
    body: bytes
    samples: int
    signals: int
    row_calls: tuple[int, ...]
    """Calls behind each row of its counts."""
    first_number: int | None
    """Of the oldest call in it; None where it holds none, or those of another process."""
    first_signal: int | None
    """Likewise of the signals."""

    @property
    def calls(self) -> int:
        return sum(self.row_calls)


class SignalSource(Protocol):
    """Signals, written out, that wait for a batch."""

    def __len__(self) -> int: ...
    def take(self, limit: int, max_bytes: int) -> list[bytes]: ...
    def close(self) -> None: ...


class Packer:
    """Makes the batches of one instance. For the sender's thread."""

    def __init__(
        self,
        settings: Settings,
        backlog: Backlog,
        counts: CallCounts,
        signals: SignalSource,
        read_ledger: Callable[[], Stats],
    ) -> None:
        self._settings = settings
        self._backlog = backlog
        self._counts = counts
        self._signals = signals
        self._read_ledger = read_ledger
        self._instance_id = str(uuid.uuid4())
        self._started_at = datetime.now(timezone.utc).isoformat()
        self._sequence = 0
        self._signals_taken = 0
        self._stated = _wire_ledger(Stats())

    @property
    def is_empty(self) -> bool:
        return not self._backlog and not self._counts and not len(self._signals)

    @property
    def first_signal(self) -> int | None:
        """The oldest signal that is not in a batch yet."""
        return self._signals_taken + 1 if len(self._signals) else None

    @property
    def last_signal(self) -> int:
        """The newest of all, at most: some that wait may turn out to be unwritable."""
        return self._signals_taken + len(self._signals)

    @property
    def is_ledger_changed(self) -> bool:
        """Since the last batch."""
        return _wire_ledger(self._read_ledger()) != self._stated

    def pack(self) -> Batch | None:
        """The oldest that fit; None where nothing waits."""
        return None if self.is_empty else self._pack()

    def pack_ledger(self) -> Batch | None:
        """Nothing but the ledger; None where the server has been told it already."""
        return self._pack() if self.is_ledger_changed else None

    def close(self) -> None:
        """From now on signals are dropped, and counted as such."""
        self._signals.close()

    def _pack(self) -> Batch:
        first = [self._backlog.first_number, self._counts.first_number]
        batch_id = str(uuid.uuid4())
        samples = [kept.body for kept in self._backlog.pop_within(MAX_ITEMS, MAX_SAMPLE_BYTES)]
        rows, row_calls = _pop_rows(self._settings, self._counts)
        signals = self._signals.take(MAX_ITEMS, MAX_SIGNAL_BYTES)
        self._signals_taken += len(signals)
        # The samples are JSON already: joined, not parsed and written again.
        body = b'{"batch_id":%b,"app":%b,"instance":%b,"samples":[%b],"call_counts":[%b]%b}' % (
            wire_json(batch_id),
            wire_json(self._settings.app),
            wire_json(self._next_instance()),
            b",".join(samples),
            b",".join(rows),
            b',"signals":[%b]' % b",".join(signals) if signals else b"",
        )
        return Batch(
            batch_id=batch_id,
            body=compressed(body),
            samples=len(samples),
            signals=len(signals),
            row_calls=row_calls,
            first_number=min((n for n in first if n is not None), default=None),
            first_signal=self._signals_taken - len(signals) + 1 if signals else None,
        )

    def _next_instance(self) -> dict[str, object]:
        self._sequence += 1
        self._stated = _wire_ledger(self._read_ledger())
        return {
            "instance_id": self._instance_id,
            "started_at": self._started_at,
            "sequence": self._sequence,
            "sdk": SDK,
            "environment": self._settings.environment,
            "release": self._settings.release,
            "ledger": self._stated,
        }


def without_samples(batch: Batch) -> Batch:
    """The same batch, its counts and signals alone, under the same id.

    Should the server have stored the whole of it already, its answer having been lost, the id
    keeps it from counting the calls twice.
    """
    content = json.loads(decompressed(batch.body))
    content["samples"] = []
    return replace(batch, body=compressed(wire_json(content)), samples=0)


def _wire_ledger(stats: Stats) -> dict[str, object]:
    return {
        "produced": stats.produced,
        "stored": stats.stored,
        "sampled_out": stats.sampled_out,
        "queued": stats.queued,
        "dropped": dict(stats.dropped),
        "counted": stats.counted,
        "uncounted": dict(stats.uncounted),
    }


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
