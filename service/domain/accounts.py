"""Accounts of calls: an SDK instance's own ledger beside what arrived here of it.

Batches arrive in any order, some twice, some from the spool of a process that has long ended, and
the answer to one may be lost. So what an instance believes to be stored, or to be queued still, is
older than what we know: we count what arrives by ourselves, and what is neither settled by its
ledger nor here is on its way, or lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.alert_windows import spell_duration
from service.domain.instances import Ledger

REJECTED = "rejected"
"""The reason under which both sides count samples that we refused."""
AFTER_ALL = "arrived_after_all"
"""The reason under which samples are taken off the dropped ones again."""
SILENT_AFTER = timedelta(minutes=5)
"""Longer than an SDK that still runs waits between two attempts."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where calls went.

    produced == stored + sampled_out + sum(dropped.values()) + queued

    arrived, refused: samples that are stored here, and samples that we refused, by our count.
    """

    ledger: Ledger
    arrived: int
    refused: int

    @property
    def produced(self) -> int:
        """Calls recorded."""
        return self.ledger.produced

    @property
    def stored(self) -> int:
        """Samples that are stored."""
        return self.arrived

    @property
    def sampled_out(self) -> int:
        """Calls that were counted and not kept."""
        return self.ledger.sampled_out

    @property
    def dropped(self) -> Mapping[str, int]:
        """Samples lost, by reason.

        An instance gives a batch up whose answer never came, and we may have it: such samples are
        taken off again, as a reason of their own with a negative number.
        """
        dropped = self._lost | ({REJECTED: self.refused} if self.refused else {})
        return dropped | ({AFTER_ALL: -self._after_all} if self._after_all else {})

    @property
    def queued(self) -> int:
        """Samples that have not arrived, and that nobody says are lost."""
        return self._unsettled + self._after_all

    @property
    def _lost(self) -> dict[str, int]:
        return {why: number for why, number in self.ledger.dropped.items() if why != REJECTED}

    @property
    def _unsettled(self) -> int:
        settled = self.stored + self.sampled_out + sum(self._lost.values()) + self.refused
        return self.produced - settled

    @property
    def _after_all(self) -> int:
        return min(max(-self._unsettled, 0), sum(self._lost.values()))

    @property
    def uncounted(self) -> Mapping[str, int]:
        """Calls that are missing in the counts, by reason."""
        return self.ledger.uncounted


def find_fault(account: Account) -> str | None:
    """Why the account cannot be right; None where it adds up."""
    ledger = account.ledger
    if ledger.unexplained:
        return f"its ledger leaves {ledger.unexplained:,} calls unexplained"
    if ledger.stored > account.arrived:
        missing = ledger.stored - account.arrived
        return f"{missing:,} samples that it was told are stored are not here"
    if account.queued < 0:
        return f"{-account.queued:,} samples more arrived than it says it had"
    return None


def find_silence(account: Account, *, seen_at: datetime, now: datetime) -> str | None:
    """That an instance fell silent with samples that have not arrived; None where it did not."""
    silent = now - seen_at
    if account.queued <= 0 or silent < SILENT_AFTER:
        return None
    return f"last heard {spell_duration(silent)} ago with {account.queued:,} samples queued"
