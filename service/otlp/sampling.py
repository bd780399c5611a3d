"""With which probability a span was kept.

Sources: OpenTelemetry "TraceState: Probability Sampling" (`ot=th:`, and `ot=p:` before it);
`sampling.probability` of the early specification; Jaeger's `sampler.type` and `sampler.param`;
Honeycomb's `SampleRate`, which is 1 / probability.
"""

import re
from dataclasses import dataclass
from typing import Literal

from service.otlp.spans import Attributes, Span
from service.otlp.values import number_of

Source = Literal["tracestate", "attribute", "configured", "assumed"]
SMALLEST = 1e-6
"""A call that stands for more than a million others says nothing; also the limit of the tables."""
_BITS = 56
_HEX_DIGITS = 14
_NO_PROBABILITY = 63
_RANDOM_FLAG = 0x2
_HEX = re.compile(r"[0-9a-f]{1,14}")
_EXPONENT = re.compile(r"[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class KeepProbability:
    """The probability, and who says so."""

    value: float
    source: Source


def find_probability(span: Span, configured: float | None) -> KeepProbability:
    """What the span itself tells, else what is configured for its app, else 1, stated as such."""
    told = _of_trace_state(span)
    if told is not None:
        return KeepProbability(told, "tracestate")
    told = _of_attributes(span.attributes)
    if told is not None:
        return KeepProbability(told, "attribute")
    if configured:  # not where it is 0: keep nothing; something came all the same
        return KeepProbability(configured, "configured")
    return KeepProbability(1.0, "assumed")


def _of_trace_state(span: Span) -> float | None:
    entries = _ot_entries(span.trace_state)
    threshold = _hex_fraction(entries.get("th"))
    if threshold is not None:
        randomness = _randomness(span, entries)
        # A threshold that this span would not have passed is left over from something else.
        if randomness is not None and randomness < threshold:
            return None
        return 1 - threshold / (1 << _BITS)
    exponent = entries.get("p", "")
    if _EXPONENT.fullmatch(exponent) and int(exponent) < _NO_PROBABILITY:
        return float(2.0 ** -int(exponent))
    return None


def _ot_entries(trace_state: str) -> dict[str, str]:
    """The sub-keys of the member `ot`.

    >>> _ot_entries("vendor=x,ot=th:c;rv:abcdef01234567")
    {'th': 'c', 'rv': 'abcdef01234567'}
    """
    for member in trace_state.split(","):
        name, _, entries = member.strip().partition("=")
        if name == "ot":
            pairs = (entry.partition(":") for entry in entries.split(";"))
            return {key: value for key, _, value in pairs}
    return {}


def _hex_fraction(digits: str | None) -> int | None:
    if digits is None or not _HEX.fullmatch(digits):
        return None
    return int(digits.ljust(_HEX_DIGITS, "0"), 16)


def _randomness(span: Span, entries: dict[str, str]) -> int | None:
    explicit = entries.get("rv", "")
    if len(explicit) == _HEX_DIGITS:
        return _hex_fraction(explicit)
    if span.flags & _RANDOM_FLAG:
        return int.from_bytes(span.trace_id[-_BITS // 8 :])
    return None


def _of_attributes(attributes: Attributes) -> float | None:
    told = number_of(attributes.get("sampling.probability"))
    if told is None and attributes.get("sampler.type") == "probabilistic":
        told = number_of(attributes.get("sampler.param"))
    if told is None and (rate := number_of(attributes.get("SampleRate"))) is not None:
        told = 1 / rate if rate >= 1 else None
    return told if told is not None and 0 < told <= 1 else None
