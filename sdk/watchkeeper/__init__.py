"""The hook that hands the calls of an AI application to Watchkeeper."""

from watchkeeper import masks
from watchkeeper.backoff import Backoff
from watchkeeper.client import Watchkeeper
from watchkeeper.default import (
    call,
    context,
    current_call,
    flush,
    init,
    observe,
    record,
    session,
    shutdown,
    signal,
    stats,
    wrap,
)
from watchkeeper.ledger import AdoptedStats, FlushResult, SignalStats, Stats
from watchkeeper.open_call import OpenCall

__all__ = [
    "AdoptedStats",
    "Backoff",
    "FlushResult",
    "OpenCall",
    "SignalStats",
    "Stats",
    "Watchkeeper",
    "call",
    "context",
    "current_call",
    "flush",
    "init",
    "masks",
    "observe",
    "record",
    "session",
    "shutdown",
    "signal",
    "stats",
    "wrap",
]
