"""The answer to a posted batch."""

from uuid import UUID

from msgspec import Struct

from service.domain.calls import Remark
from service.domain.sampling import SampleRates
from service.flows.ingest_batches import Receipt


class RemarkOut(Struct):
    """Why an item was not taken, or a text was cut; `pointer` is an RFC 6901 JSON pointer."""

    pointer: str
    reason: str


class SampleRatesOut(Struct):
    """What share of calls the app should keep whole, where it is declared here."""

    default: float | None
    tasks: dict[str, float]


class ReceiptOut(Struct):
    """What became of a batch."""

    batch_id: UUID
    accepted: int
    duplicate: int
    rejected: int
    counts_accepted: int
    counts_rejected: int
    signals_accepted: int
    signals_rejected: int
    rejections: list[RemarkOut]
    truncations: list[RemarkOut]
    sample_rates: SampleRatesOut


def receipt_out(receipt: Receipt, rates: SampleRates) -> ReceiptOut:
    """The receipt as its sender sees it."""
    return ReceiptOut(
        batch_id=receipt.batch_id,
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        rejected=receipt.rejected,
        counts_accepted=receipt.counts_accepted,
        counts_rejected=receipt.counts_rejected,
        signals_accepted=receipt.signals_accepted,
        signals_rejected=receipt.signals_rejected,
        rejections=[_remark(remark) for remark in receipt.rejections],
        truncations=[_remark(remark) for remark in receipt.truncations],
        sample_rates=SampleRatesOut(rates.default, dict(rates.tasks)),
    )


def _remark(remark: Remark) -> RemarkOut:
    return RemarkOut(remark.pointer, remark.reason)
