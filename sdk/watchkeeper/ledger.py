"""Where every call went: two accounts, one of samples and one of counts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

_REASON_LIMIT = 50  # distinct reasons of the server's that are told apart


@dataclass(frozen=True)
class SignalStats:
    """Where every signal went: produced == stored + sum(dropped.values()) + queued."""

    produced: int = 0
    stored: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    queued: int = 0


@dataclass(frozen=True)
class AdoptedStats:
    """What earlier processes left in the spool: none of it is in the account of this one.

    found == stored + sum(dropped.values()) + queued.
    """

    found: int = 0
    """Samples taken over."""
    stored: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    queued: int = 0
    counted: int = 0
    """Calls whose count the server has acknowledged."""
    uncounted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Stats:
    """The ledger of one client at one moment.

    produced == stored + sampled_out + sum(dropped.values()) + queued, always; and
    produced == counted + sum(uncounted.values()) + the calls whose count still waits.
    """

    produced: int = 0
    """Calls recorded."""
    stored: int = 0
    """Samples that the server has acknowledged."""
    sampled_out: int = 0
    """Counted, but not kept: see `sample_rate`."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Samples lost, by reason: queue_full, no_task, unserialisable, rejected, too_large, shutdown,
    http_...
    Those of queue_full are of bursts: what is kept of one under-represents it, beyond what its
    keep_probability says. Its counts are complete; weigh a minute's samples up to them."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """`dropped["rejected"]` once more, by the reasons that the server gave."""
    queued: int = 0
    """Samples that wait, or that were sent and are not acknowledged yet."""
    counted: int = 0
    """Calls whose count the server has acknowledged."""
    uncounted: Mapping[str, int] = field(default_factory=dict)
    """Calls whose count was lost, by reason."""
    repaired: Mapping[str, int] = field(default_factory=dict)
    """Values that had to be changed or left out, by field."""
    signals: SignalStats = field(default_factory=SignalStats)
    """The account of `signal()`."""
    adopted: AdoptedStats = field(default_factory=AdoptedStats)
    """The account of what the spool held."""


@dataclass(frozen=True)
class FlushResult:
    """What a `flush()` or `shutdown()` achieved in its time."""

    complete: bool
    """Nothing recorded before the call still waits, and nothing was given up for lack of time."""
    stored: int
    """Samples acknowledged meanwhile."""
    dropped: Mapping[str, int]
    """Samples lost meanwhile, by reason."""
    queued: int
    """Samples that still wait."""


def flush_result(complete: bool, before: Stats, after: Stats) -> FlushResult:
    lost = {
        reason: number - before.dropped.get(reason, 0)
        for reason, number in after.dropped.items()
        if number > before.dropped.get(reason, 0)
    }
    return FlushResult(complete, after.stored - before.stored, lost, after.queued)


def adopted_stats(ledger: Ledger) -> AdoptedStats:
    """Of a ledger in which each adopted sample was booked as a call."""
    stats = ledger.read(in_queue=0)
    return AdoptedStats(
        found=stats.produced,
        stored=stats.stored,
        dropped=stats.dropped,
        queued=stats.queued,
        counted=stats.counted,
        uncounted=stats.uncounted,
    )


class Ledger:
    """Numbers the calls as they leave the app's queue, and books where each one ended.

    Every change happens under `lock`. It can be taken again by its holder: a signal handler or a
    finalizer may call the client in the middle of a change, and must not wait for itself.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.taken = 0  # calls that left the app's queue; also the number of the latest of them
        self._stored = 0
        self._sampled_out = 0
        self._dropped: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._counted = 0
        self._uncounted: Counter[str] = Counter()
        self._repaired: Counter[str] = Counter()
        self._signals_produced = 0
        self._signals_stored = 0
        self._signals_dropped: Counter[str] = Counter()

    def book_sampled_out(self, calls: int) -> None:
        with self.lock:
            self._sampled_out += calls

    def book_stored(self, samples: int, counted: int) -> None:
        with self.lock:
            self._stored += samples
            self._counted += counted

    def book_dropped(self, reason: str, samples: int = 1) -> None:
        with self.lock:
            self._dropped[reason] += samples

    def book_uncounted(self, reason: str, calls: int = 1) -> None:
        with self.lock:
            self._uncounted[reason] += calls

    def book_rejected(self, reason: str, samples: int = 1) -> None:
        with self.lock:
            known = reason in self._rejected or len(self._rejected) < _REASON_LIMIT
            self._rejected[reason if known else "other"] += samples
            self._dropped["rejected"] += samples

    def book_repairs(self, fields: list[str]) -> None:
        if fields:
            with self.lock:
                self._repaired.update(fields)

    def book_signal(self, signals: int = 1) -> None:
        with self.lock:
            self._signals_produced += signals

    def book_signals_stored(self, signals: int) -> None:
        with self.lock:
            self._signals_stored += signals

    def book_signals_dropped(self, reason: str, signals: int = 1) -> None:
        with self.lock:
            self._signals_dropped[reason] += signals

    def read(self, in_queue: int) -> Stats:
        """`in_queue`: calls in the app's queue, read under the same hold of the lock."""
        with self.lock:
            settled = self._stored + self._sampled_out + sum(self._dropped.values())
            return Stats(
                produced=self.taken + in_queue,
                stored=self._stored,
                sampled_out=self._sampled_out,
                dropped=_positive(self._dropped),
                rejected=_positive(self._rejected),
                queued=self.taken - settled + in_queue,
                counted=self._counted,
                uncounted=_positive(self._uncounted),
                repaired=_positive(self._repaired),
                signals=self._read_signals(),
            )

    def _read_signals(self) -> SignalStats:
        settled = self._signals_stored + sum(self._signals_dropped.values())
        return SignalStats(
            produced=self._signals_produced,
            stored=self._signals_stored,
            dropped=_positive(self._signals_dropped),
            queued=self._signals_produced - settled,
        )


def _positive(counter: Counter[str]) -> dict[str, int]:
    return {reason: number for reason, number in counter.items() if number}
