"""Items of a batch as values of the domain; what is too long for that is refused or cut."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import asdict, astuple

from service.api.schemas.careful import below
from service.api.schemas.items import CallCountIn, InstanceIn, SampleIn, SignalIn
from service.api.schemas.words import DIMENSION_BYTES, TEXT_CHARACTERS
from service.domain.calls import CallCount, NewSample, Remark, Slice
from service.domain.instances import Ledger, SdkInstance
from service.domain.latency import BUCKET_OF_NAME, BUCKETS
from service.domain.signals import InvalidSignalValueError, NewSignal, read_value

Item = TypeVar("Item")
TRUNCATED = "watchkeeper.truncated"
"""The attribute that names the texts that were cut."""
_TEXTS = ("prompt", "response", "reference")
_SAMPLE_WORDS = (
    *("environment", "task", "release", "model", "prompt_version"),
    *("error_type", "finish_reason", "session_id", "user_id"),
)
_COUNT_WORDS = ("environment", "task", "release", "model", "prompt_version")
_SIGNAL_WORDS = ("environment", "task", "kind", "session_id", "user_id")
_INSTANCE_WORDS = ("environment", "release", "sdk")
_NUL = "\x00"
_BUCKET_NAMES = ", ".join(BUCKET_OF_NAME)
_NO_TIME = "is not a time that can be stored"


class UnstorableTextError(ValueError):
    """Some text holds a NUL, which PostgreSQL does not store; which item's it is, is to be seen."""


@dataclass(slots=True)
class Reading:
    """One batch being read.

    holds_odd: there may be characters that take more than one byte, or none that can be stored.
    holds_long: it is large enough for a text that has to be cut.

    Raises:
        UnstorableTextError: from every method.
    """

    holds_odd: bool
    holds_long: bool
    rejections: list[Remark] = field(default_factory=list)
    truncations: list[Remark] = field(default_factory=list)

    def samples(self, items: Mapping[int, SampleIn]) -> dict[int, NewSample]:
        """By their index in the batch."""
        read = {index: NewSample._make(astuple(item)) for index, item in items.items()}
        read = self._storable(read, "/samples/{}", _SAMPLE_WORDS, _texts_of_sample)
        if self.holds_long:
            read |= {index: self._cut(s, index) for index, s in read.items() if _holds_long(s)}
        return read

    def counts(self, items: Mapping[int, CallCountIn]) -> dict[int, CallCount]:
        """By their index in the batch."""
        read = {}
        taken = self._storable(items, "/call_counts/{}", _COUNT_WORDS, _texts_of)
        for index, item in taken.items():
            fault = _fault_in(item)
            if fault is None:
                read[index] = _call_count(item)
            else:
                self.rejections.append(Remark(f"/call_counts/{index}/{fault[0]}", fault[1]))
        return read

    def signals(self, items: Mapping[int, SignalIn]) -> dict[int, NewSignal]:
        """By their index in the batch."""
        read = {}
        for index, item in self._storable(items, "/signals/{}", _SIGNAL_WORDS, _texts_of).items():
            try:
                read[index] = self._signal(item, index)
            except InvalidSignalValueError as error:
                self.rejections.append(Remark(f"/signals/{index}/value", str(error)))
        return read

    def instance(self, item: InstanceIn) -> SdkInstance | None:
        """Who sent the batch."""
        if not self._storable({0: item}, "/instance", _INSTANCE_WORDS, _texts_of_instance):
            return None
        if _in_utc(item.started_at) is None:
            self.rejections.append(Remark("/instance/started_at", _NO_TIME))
            return None
        return SdkInstance(
            instance_id=item.instance_id,
            started_at=item.started_at,
            sequence=item.sequence,
            environment=item.environment,
            release=item.release,
            sdk=item.sdk,
            ledger=Ledger(*astuple(item.ledger)),
        )

    def _storable(
        self,
        items: Mapping[int, Item],
        pointer: str,
        words: Iterable[str],
        texts_of: Callable[[Item], str],
    ) -> dict[int, Item]:
        if not self.holds_odd:
            return dict(items)
        taken = {}
        for index, item in items.items():
            texts = texts_of(item)
            if _NUL in texts:
                raise UnstorableTextError
            wide = None
            if not texts.isascii():
                wide = next((word for word in words if _is_wide(getattr(item, word))), None)
            if wide is None:
                taken[index] = item
            else:
                reason = f"must be at most {DIMENSION_BYTES} bytes long in UTF-8"
                self.rejections.append(Remark(f"{pointer.format(index)}/{wide}", reason))
        return taken

    def _cut(self, sample: NewSample, index: int) -> NewSample:
        texts = {name: getattr(sample, name) for name in _TEXTS}
        long = {name: text for name, text in texts.items() if text and len(text) > TEXT_CHARACTERS}
        attributes = {
            name: self._cut_text(value, below(f"/samples/{index}/attributes", name))
            if isinstance(value, str)
            else value
            for name, value in sample.attributes.items()
        }
        if not long:
            return sample._replace(attributes=attributes)
        cut: dict[str, Any] = {
            name: self._cut_text(text, f"/samples/{index}/{name}") for name, text in long.items()
        }
        before = str(attributes.get(TRUNCATED, "")).split(",")  # what the SDK had cut
        named = ",".join(name for name in _TEXTS if name in long or name in before)
        return sample._replace(**cut, attributes=attributes | {TRUNCATED: named})

    def _cut_text(self, text: str, pointer: str) -> str:
        if len(text) <= TEXT_CHARACTERS:
            return text
        mark = f"... [cut by watchkeeper: {len(text)} characters]"
        reason = f"has {len(text):,} characters; the first {TEXT_CHARACTERS:,} are kept"
        self.truncations.append(Remark(pointer, reason))
        return text[: TEXT_CHARACTERS - len(mark)] + mark

    def _signal(self, item: SignalIn, index: int) -> NewSignal:
        said = item.value
        if isinstance(said, str):
            said = self._cut_text(said, f"/signals/{index}/value")
        value, text = read_value(item.kind, said)
        return NewSignal(
            signal_id=item.signal_id,
            signalled_at=item.signalled_at,
            sample_id=item.sample_id,
            environment=item.environment,
            task=item.task,
            kind=item.kind,
            value=value,
            text=text,
            session_id=item.session_id,
            user_id=item.user_id,
        )


def _texts_of_sample(sample: NewSample) -> str:
    # By position: this is done for every sample that is not plain ASCII without an escape.
    texts = "".join(filter(None, sample[2:12] + sample[16:19]))
    attributes = sample.attributes
    return texts + _texts_in(attributes.items()) if attributes else texts


def _texts_of(item: Struct) -> str:
    return _texts_in(asdict(item).items())


def _texts_of_instance(item: InstanceIn) -> str:
    return _texts_of(item) + "".join((*item.ledger.dropped, *item.ledger.uncounted))


def _texts_in(entries: Iterable[tuple[str, Any]]) -> str:
    return "".join(name + value if isinstance(value, str) else name for name, value in entries)


def _fault_in(item: CallCountIn) -> tuple[str, str] | None:
    if item.minute.second or item.minute.microsecond:
        return "minute", "must be on a whole minute"
    if _in_utc(item.minute) is None:
        return "minute", _NO_TIME
    unknown = next((edge for edge in item.latency_counts if edge not in BUCKET_OF_NAME), None)
    if unknown is not None:
        return "latency_counts", f"has no bucket {unknown[:20]!r}; there are: {_BUCKET_NAMES}"
    if sum(item.latency_counts.values()) > item.calls:
        return "latency_counts", "counts more calls than `calls`"
    return None


def _call_count(item: CallCountIn) -> CallCount:
    histogram = [0] * BUCKETS if item.latency_counts else []
    for edge, calls in item.latency_counts.items():
        histogram[BUCKET_OF_NAME[edge]] = calls
    minute, *words = astuple(item)[:7]
    return CallCount(
        slice=Slice(minute.astimezone(UTC), *words),
        calls=item.calls,
        input_tokens=item.input_tokens,
        output_tokens=item.output_tokens,
        cost_usd=item.cost_usd,
        latency_counts=tuple(histogram),
    )


def _in_utc(instant: datetime) -> datetime | None:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return None


def _is_wide(word: str | None) -> bool:
    return word is not None and not word.isascii() and len(word.encode()) > DIMENSION_BYTES


def _holds_long(sample: NewSample) -> bool:
    prompt, response, reference = sample[9:12]  # by position, as above
    return (
        len(prompt or "") > TEXT_CHARACTERS
        or len(response or "") > TEXT_CHARACTERS
        or len(reference or "") > TEXT_CHARACTERS
        or (bool(sample.attributes) and _any_is_long(sample.attributes.values()))
    )


def _any_is_long(values: Iterable[object]) -> bool:
    return any(isinstance(value, str) and len(value) > TEXT_CHARACTERS for value in values)
