"""What the server made of the batches, added up."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from service.replay.errors import PartlyRejectedError

_COUNTS = ("accepted", "duplicate", "rejected", "counts_accepted", "counts_rejected")
_NUMBER = re.compile(r"\d+(?:[.:, ]\d+)*(?: days?)?")
REASONS_KEPT = 50
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, slots=True)
class Reason:
    """How often the server gave a reason, and its words the first time."""

    count: int
    words: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over all acknowledged batches."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    counts_accepted: int = 0
    counts_rejected: int = 0
    rejections: Mapping[str, Reason] = field(default_factory=dict)
    """By field and reason, numbers apart: `is 36 days ago` and `is 37 days ago` are one."""

    def with_receipt(self, receipt: Mapping[str, Any]) -> "Tally":
        """These sums and one more answer of `POST /v1/samples`.

        Raises:
            KeyError, TypeError, ValueError: The answer is no receipt.
        """
        sums = {name: getattr(self, name) + int(receipt[name]) for name in _COUNTS}
        rejections = dict(self.rejections)
        for rejection in receipt["rejections"]:
            words = f"{_place(rejection['pointer'])}: {rejection['reason']}"
            kind = _NUMBER.sub("#", words)
            if kind not in rejections and len(rejections) >= REASONS_KEPT:
                kind = words = OTHER_REASONS
            known = rejections.get(kind, Reason(0, words))
            rejections[kind] = Reason(known.count + 1, known.words)
        return Tally(**sums, rejections=rejections)

    def require_all_taken(self) -> None:
        """Raise PartlyRejectedError where the server rejected a call or a count."""
        rejected = {"calls": self.rejected, "call counts": self.counts_rejected}
        told = " and ".join(f"{count:,} {what}" for what, count in rejected.items() if count)
        if told:
            raise PartlyRejectedError(f"The server rejected {told}; the rest is stored")

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Tally":
        """From the journal."""
        rejections = {kind: Reason(**reason) for kind, reason in stored["rejections"].items()}
        return cls(**{name: int(stored[name]) for name in _COUNTS}, rejections=rejections)


def _place(pointer: str) -> str:
    """Which part of which kind of item.

    >>> _place("/samples/3/called_at")
    'sample called_at'
    """
    _, items, _, *part = [*pointer.split("/"), "", "", ""][: max(3, pointer.count("/") + 1)]
    item = "call count" if items == "call_counts" else "sample"
    return " ".join([item, *part])
