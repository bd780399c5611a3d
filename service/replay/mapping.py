"""From a row of a log to a sample of the wire, or to the reason why not. Pure."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.replay.errors import ReplayUsageError, unknown_name
from service.replay.rows import MISSING, value_at

# The limits of `POST /v1/samples`. What goes beyond them is skipped here, with its reason.
DIMENSION_BYTES = 200
TEXT_CHARACTERS = 262_144
ATTRIBUTES = 64
LARGEST_AMOUNT = 1e15
LARGEST_COUNT = 10**12
SMALLEST_KEEP_PROBABILITY = 1e-6

_ATTRIBUTE_PREFIX = "attributes."


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a row is not sent. Holds no value of the row: reasons are counted and shown."""

    reason: str


FILTERED = Skip("filtered by --where")


@dataclass(frozen=True, slots=True)
class Rules:
    """How rows become samples."""

    columns: tuple[tuple[str, str], ...]
    """Pairs of a wire field and the column that fills it."""
    constants: Mapping[str, Any]
    """Wire fields that are the same for every row, unless a column fills them."""
    where: tuple[tuple[str, str], ...] = ()
    """Pairs of a column and the text that it must hold."""


class _UnfitError(Exception):
    """A value that the wire does not take."""


def to_sample(values: Mapping[str, Any], rules: Rules) -> dict[str, Any] | Skip:
    """The wire sample of a row, without its id and its time."""
    for column, wanted in rules.where:
        if text_of(value_at(values, column)) != wanted:
            return FILTERED
    sample = dict(rules.constants)
    for field, column in rules.columns:
        value = value_at(values, column)
        if value is MISSING or value is None or value == "":
            if field in _NEEDED:
                return Skip(f"{field}: {'missing' if value is MISSING else 'empty'}")
            continue
        try:
            _put(sample, field, value)
        except _UnfitError as unfit:
            return Skip(f"{field}: {unfit}")
        except UnicodeEncodeError:
            return Skip(f"{field}: not valid Unicode")
    return sample


def text_of(value: Any) -> str:
    """A value as text: text as it is, everything else as JSON; nothing is empty."""
    if isinstance(value, str):
        return value
    return "" if value is MISSING else json.dumps(value, ensure_ascii=False)


def check_fields(pairs: tuple[tuple[str, str], ...]) -> None:
    """Make sure that each is a field of the wire, once.

    Raises:
        ReplayUsageError: Names the fields that there are.
    """
    fields = [field for field, _ in pairs]
    for field in fields:
        if field in ("called_at", "attributes"):
            instead = "--time-column" if field == "called_at" else "attributes.NAME=COLUMN"
            raise ReplayUsageError(f"--map {field}=...: use {instead} instead")
        if field not in _READERS and not _is_attribute(field):
            known = [*_READERS, _ATTRIBUTE_PREFIX + "NAME"]
            raise ReplayUsageError(
                f"--map FIELD=COLUMN: {unknown_name('field of a sample', field, known)}"
            )
        if fields.count(field) > 1:
            raise ReplayUsageError(f"--map {field}=... is given twice")
    if {"latency_s", "latency_ms"} <= set(fields):
        raise ReplayUsageError("Map latency_s or latency_ms, not both")
    if sum(map(_is_attribute, fields)) > ATTRIBUTES:
        raise ReplayUsageError(f"A sample has at most {ATTRIBUTES} attributes")


def check_constant(field: str, value: str | float) -> None:
    """Make sure that the wire takes what an option sets for every row."""
    try:
        _READERS[field](value)
    except (_UnfitError, UnicodeEncodeError) as unfit:
        reason = unfit if isinstance(unfit, _UnfitError) else "not valid Unicode"
        raise ReplayUsageError(f"--{field.replace('_', '-')}: {reason}") from None


def _is_attribute(field: str) -> bool:
    name = field.removeprefix(_ATTRIBUTE_PREFIX)
    return name not in ("", field) and "\x00" not in name and _fits_dimension(name)


def _fits_dimension(text: str) -> bool:
    return len(text.encode(errors="replace")) <= DIMENSION_BYTES


def _put(sample: dict[str, Any], field: str, value: Any) -> None:
    if field.startswith(_ATTRIBUTE_PREFIX):
        attributes = sample.setdefault("attributes", {})
        attributes[field.removeprefix(_ATTRIBUTE_PREFIX)] = _attribute(value)
    elif field == "latency_s":
        sample["latency_ms"] = _amount(_number(value) * 1000)
    else:
        sample[field] = _READERS[field](value)


def _text(value: Any) -> str:
    text = text_of(value)
    if "\x00" in text:
        raise _UnfitError("NUL character")
    if len(text) > TEXT_CHARACTERS:
        raise _UnfitError(f"longer than {TEXT_CHARACTERS} characters")
    if not text.isascii():
        text.encode()  # lone surrogates cannot be sent
    return text


def _prompt(value: Any) -> str:
    text = _text(value)
    if not text or text.isspace():
        raise _UnfitError("empty")
    return text


def _dimension(value: Any) -> str:
    if isinstance(value, dict | list):
        raise _UnfitError("not a text")
    text = _text(value)
    if len(text.encode()) > DIMENSION_BYTES:
        raise _UnfitError(f"longer than {DIMENSION_BYTES} bytes")
    return text


def _name(value: Any) -> str:
    text = _dimension(value)
    if not text.strip():
        raise _UnfitError("empty")
    return text


def _number(value: Any) -> float:
    if isinstance(value, bool | dict | list):
        raise _UnfitError("not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _UnfitError("not a number") from None
    if not math.isfinite(number):
        raise _UnfitError("not a finite number")
    return number


def _amount(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= LARGEST_AMOUNT:
        raise _UnfitError("negative" if number < 0 else "too large")
    return number


def _count(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise _UnfitError("not a whole number")
    if not 0 <= number <= LARGEST_COUNT:
        raise _UnfitError("negative" if number < 0 else "too large")
    return int(number)


def _probability(value: Any) -> float:
    number = _number(value)
    if not SMALLEST_KEEP_PROBABILITY < number <= 1:
        raise _UnfitError("not a probability in (0, 1]")
    return number


def _outcome(value: Any) -> str:
    if value not in ("ok", "error"):
        raise _UnfitError("neither 'ok' nor 'error'")
    return str(value)


def _sample_id(value: Any) -> str:
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise _UnfitError("not a UUID") from None


def _attribute(value: Any) -> str | float | bool:
    if isinstance(value, bool):
        return value
    return _number(value) if isinstance(value, int | float) else _text(value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "prompt": _prompt,
    "response": _text,
    "reference": _text,
    "model": _dimension,
    "latency_s": _amount,
    "latency_ms": _amount,
    "input_tokens": _count,
    "output_tokens": _count,
    "cost_usd": _amount,
    "outcome": _outcome,
    "error_type": _dimension,
    "finish_reason": _dimension,
    "session_id": _dimension,
    "user_id": _dimension,
    "prompt_version": _dimension,
    "release": _dimension,
    "environment": _name,
    "task": _name,
    "keep_probability": _probability,
    "sample_id": _sample_id,
}

_NEEDED = frozenset({"prompt", "task", "environment", "outcome", "keep_probability", "sample_id"})
"""Fields that a row must fill if they are mapped. Anything else is left out where it is empty;
for these, a default in its place would be a claim that the log does not make."""
