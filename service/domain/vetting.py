"""What of a batch can be stored, and why the rest cannot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from service.domain.calls import Batch, CallCount, NewSample, Remark, Slice, refuse_time
from service.domain.signals import NewSignal

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Vetted:
    """The part of a batch that can be stored.

    samples: each once, even where the batch repeats it.  repetitions: how often it did.
    counts: one of a slice.  counts_taken: how many items they were.
    """

    samples: list[NewSample]
    repetitions: int
    counts: list[CallCount]
    counts_taken: int
    signals: list[NewSignal]
    rejections: tuple[Remark, ...]

    def refused(self, pointer: str) -> int:
        """How many items below that pointer were refused."""
        return sum(remark.pointer.startswith(pointer) for remark in self.rejections)


def vet(batch: Batch, *, now: datetime, retention: timedelta) -> Vetted:
    """Refuse what lies outside of the times that are kept, and ids that name two samples."""
    refused = list(batch.rejections)

    def timely(items: Mapping[int, Item], times: list[datetime], pointer: str) -> dict[int, Item]:
        return _timely(items, times, pointer, refused, now=now, retention=retention)

    samples = timely(
        batch.samples,
        [sample.called_at for sample in batch.samples.values()],
        "/samples/{}/called_at",
    )
    counts = timely(
        batch.counts,
        [count.slice.minute for count in batch.counts.values()],
        "/call_counts/{}/minute",
    )
    signals = timely(
        batch.signals,
        [signal.signalled_at for signal in batch.signals.values()],
        "/signals/{}/signalled_at",
    )
    distinct, repetitions = _distinct(samples, refused)
    return Vetted(
        samples=distinct,
        repetitions=repetitions,
        counts=merge_counts(counts.values()),
        counts_taken=len(counts),
        signals=list(signals.values()),
        rejections=tuple(refused),
    )


def merge_counts(counts: Iterable[CallCount]) -> list[CallCount]:
    """One count for each slice."""
    merged: dict[Slice, CallCount] = {}
    for count in counts:
        known = merged.get(count.slice)
        merged[count.slice] = count if known is None else known + count
    return list(merged.values())


def _timely(
    items: Mapping[int, Item],
    times: list[datetime],
    pointer: str,
    refused: list[Remark],
    *,
    now: datetime,
    retention: timedelta,
) -> dict[int, Item]:
    # The first and the last decide for all: nearly every batch ends here.
    edges = (min(times), max(times)) if times else ()
    if all(refuse_time(edge, now=now, retention=retention) is None for edge in edges):
        return dict(items)
    taken = {}
    for (index, item), instant in zip(items.items(), times, strict=True):
        reason = refuse_time(instant, now=now, retention=retention)
        if reason is None:
            taken[index] = item
        else:
            refused.append(Remark(pointer.format(index), reason))
    return taken


def _distinct(
    samples: Mapping[int, NewSample], refused: list[Remark]
) -> tuple[list[NewSample], int]:
    """What is unambiguous: with a second time, an id would name a second sample."""
    first: dict[int, int] = {}
    repetitions = 0
    for index, sample in samples.items():
        known = first.setdefault(sample.sample_id.int, index)
        if known == index:
            continue
        if samples[known].called_at == sample.called_at:
            repetitions += 1
        else:
            reason = f"is the id of /samples/{known} too, which has another called_at"
            refused.append(Remark(f"/samples/{index}/sample_id", reason))
    return [samples[index] for index in first.values()], repetitions
