"""The hook that hands the calls of an AI application to Watchkeeper."""

from watchkeeper.backoff import Backoff
from watchkeeper.client import Watchkeeper
from watchkeeper.ledger import FlushResult, Stats

__all__ = ["Backoff", "FlushResult", "Stats", "Watchkeeper"]
