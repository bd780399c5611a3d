"""One request of OTLP as one batch of an app."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from service.domain.calls import Batch, NewSample, Remark
from service.domain.scores import ReportedScore
from service.otlp.evaluations import read_evaluations
from service.otlp.model_calls import UnusableSpanError, is_model_call, name_task, read_call
from service.otlp.sampling import find_probability
from service.otlp.spans import Span, Unreadable

MOST_CALLS = 20_000
"""Of one request: more than any exporter sends by itself. It bounds the memory that one takes."""
_BATCHES = UUID("0b8c2a52-9a53-5d7e-8f0a-3b7f6d0c9e11")
"""The namespace of batch ids that are made of bodies; any other would do as well."""
ConfiguredRate = Callable[[str], float | None]
"""With which probability the app keeps calls of a task, where somebody has declared it."""


@dataclass(slots=True)
class _Reading:
    samples: dict[int, NewSample] = field(default_factory=dict)
    scores: list[ReportedScore] = field(default_factory=list)
    rejections: list[Remark] = field(default_factory=list)
    truncations: list[Remark] = field(default_factory=list)
    seen: set[UUID] = field(default_factory=set)
    others: int = 0


@dataclass(frozen=True, slots=True)
class ReadExport:
    """The batch, and how many spans were no model calls and so are none of our business."""

    batch: Batch
    ignored: int
    warning: str = ""


def batch_id_of(body: bytes, app_id: int) -> UUID:
    """An exporter's retry sends the same bytes: it is the same batch, and counts once."""
    return uuid5(_BATCHES, f"{app_id}:{hashlib.sha256(body).hexdigest()}")


def build_batch(
    spans: Iterable[Span | Unreadable], batch_id: UUID, configured: ConfiguredRate
) -> ReadExport:
    """Every model call as a sample, which counts for the calls that it stands for."""
    read = _Reading()
    for index, span in enumerate(spans):
        if isinstance(span, Unreadable):
            read.rejections.append(Remark(f"/samples/{index}", span.reason))
        elif is_model_call(span):
            _take(span, index, configured, read)
        else:
            read.others += 1
    batch = Batch(
        batch_id=batch_id,
        uncounted=True,
        samples=read.samples,
        scores=tuple(read.scores),
        rejections=tuple(read.rejections),
        truncations=tuple(read.truncations),
    )
    return ReadExport(batch, read.others)


def _take(span: Span, index: int, configured: ConfiguredRate, read: _Reading) -> None:
    if len(read.samples) == MOST_CALLS:
        reason = f"it is one of more than {MOST_CALLS} calls; send fewer spans in a request"
        read.rejections.append(Remark(f"/samples/{index}", reason))
        return
    try:
        call = read_call(span, find_probability(span, configured(name_task(span))))
    except UnusableSpanError as error:
        read.rejections.append(Remark(f"/samples/{index}", str(error)))
        return
    sample = call.sample
    if sample.sample_id in read.seen:
        return  # the same span twice in one request: one call
    read.seen.add(sample.sample_id)
    read.samples[index] = sample
    read.scores += read_evaluations(span, sample)
    read.truncations += _truncations(index, call.truncated)


def _truncations(index: int, names: tuple[str, ...]) -> Iterator[Remark]:
    for name in names:
        yield Remark(f"/samples/{index}/{name}", "is too long; its end was cut off")
