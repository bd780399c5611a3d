"""Spans as both encodings of OTLP bring them, before anybody knows what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""Of an attribute: text, a truth value, a number, a list or a mapping of such, or None."""
Attributes: TypeAlias = Mapping[str, Value]

STATUS_ERROR = 2
"""`STATUS_CODE_ERROR` of the protocol."""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span."""

    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """One operation. Ids are bytes, empty where none was given; times in ns since 1970."""

    trace_id: bytes
    span_id: bytes
    trace_state: str
    flags: int
    name: str
    started_ns: int
    ended_ns: int
    status_code: int
    status_message: str
    attributes: Attributes
    resource: Attributes
    events: tuple[SpanEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A span that is not as the protocol has it, and why."""

    reason: str
