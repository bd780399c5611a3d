"""SDK instances: one client in one process of an app, and its ledger of every call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where an instance's calls went.

    produced == stored + sampled_out + sum(dropped) + queued
    """

    produced: int
    stored: int
    sampled_out: int
    queued: int
    dropped: Mapping[str, int]
    counted: int
    uncounted: Mapping[str, int]

    @property
    def unexplained(self) -> int:
        """Calls that the ledger itself cannot account for; anything but 0 is a fault of the SDK."""
        settled = self.stored + self.sampled_out + sum(self.dropped.values()) + self.queued
        return self.produced - settled


@dataclass(frozen=True, slots=True)
class SdkInstance:
    """Who sent a batch; `sequence` is the batch's number with this instance."""

    instance_id: UUID
    started_at: datetime
    sequence: int
    environment: str
    release: str
    sdk: str
    ledger: Ledger
