"""Turns whatever an app hands over into what the wire format allows, or into nothing.

Every function appends the field's name to `repairs` where it had to change or give up a value.
None of them raises.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from enum import Enum

TEXT_LIMIT = 262_144  # characters of a prompt, response or reference
NAME_LIMIT = 200  # bytes of a task, model, session id ...: the server indexes them
ATTRIBUTE_LIMIT = 61  # attributes of one sample; the rest of the server's 64 are set by us
ATTRIBUTE_TEXT_LIMIT = 4_096
TOKEN_CEILING = 2_147_483_647  # PostgreSQL's integer; no call comes near
QUANTITY_CEILING = 1e12  # milliseconds or dollars; likewise

# An id that is no UUID becomes one by name, so that the same id stays the same sample.
_SAMPLE_IDS = uuid.UUID("6f1d3f0e-3f0b-4c0a-9d53-5a5e3c0c4b11")


def clean(text: str) -> str:
    """Without NUL (PostgreSQL text has none) and lone surrogates (UTF-8 has none).

    >>> clean("a\\x00b\\ud800c\\ud83d\\ude00") == "a\\ufffdb\\ufffdc\\U0001f600"
    True
    """
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def as_name(value: object, field: str, repairs: list[str]) -> str | None:
    """A short text; an enum member stands for its value. None where there is none to be had."""
    if value is None:
        return None
    if type(value) is str and value.isascii() and len(value) <= NAME_LIMIT and "\x00" not in value:
        return value
    try:
        text = _text_of(value.value if isinstance(value, Enum) else value)
        name = clean(text).encode()[:NAME_LIMIT].decode(errors="ignore")
    except Exception:  # `__str__` is code of the app
        repairs.append(field)
        return None
    if name != text:
        repairs.append(field)
    return name


def as_text(value: object, field: str, repairs: list[str]) -> str | None:
    """Text as it is, bytes as UTF-8, lists and dicts as JSON, anything else by `str()`."""
    if value is None:
        return None
    try:
        text = _text_of(value)
        cleaned = clean(text)
    except Exception:  # as above
        repairs.append(field)
        return None
    if cleaned is not text and cleaned != text:
        repairs.append(field)
    return cleaned


def cut(text: str, limit: int = TEXT_LIMIT, whole: int = 0) -> str:
    """At most `limit` characters, the last of which say what was cut. `whole`: how many there
    were, where `text` has lost some already.

    >>> cut("x" * 100, limit=50)
    'xxxxxxxxxx... [cut by watchkeeper: 100 characters]'
    """
    length = whole or len(text)
    if length <= limit:
        return text
    mark = f"... [cut by watchkeeper: {length} characters]"
    return text[: limit - len(mark)] + mark


def as_quantity(value: object, field: str, repairs: list[str]) -> float | None:
    """A finite number >= 0."""
    if value is None:
        return None
    try:
        number = value if type(value) is float else float(value)  # type: ignore[arg-type]
    except Exception:  # as above
        number = math.nan
    if 0 <= number <= QUANTITY_CEILING:  # false for nan
        return number
    repairs.append(field)
    return None


def as_tokens(value: object, field: str, repairs: list[str]) -> int | None:
    """A whole number >= 0."""
    if type(value) is int and 0 <= value <= TOKEN_CEILING:
        return value
    number = as_quantity(value, field, repairs)
    if number is None:
        return None
    if number > TOKEN_CEILING or number != int(number):
        repairs.append(field)
        return None
    return int(number)


def as_sample_id(value: object, repairs: list[str]) -> str:
    """A UUID: the one given, one derived from the text given, or a new one."""
    if value is None:
        return str(uuid.uuid4())
    text = as_name(value, "sample_id", repairs)
    if not text:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(text))
    except ValueError:
        repairs.append("sample_id")
        return str(uuid.uuid5(_SAMPLE_IDS, text))


def as_attributes(value: object, repairs: list[str]) -> dict[str, str | float | bool]:
    """At most ATTRIBUTE_LIMIT texts, finite numbers and booleans; None values are left out."""
    if not value:
        return {}
    kept: dict[str, str | float | bool] = {}
    try:
        entries = list(value.items()) if isinstance(value, Mapping) else None
    except Exception:  # a mapping of the app's own
        entries = None
    if entries is None:
        repairs.append("attributes")
        return {}
    for key, item in entries:
        name = as_name(key, "attributes", repairs)
        plain = _attribute_of(item, repairs)
        if name and plain is not None and len(kept) < ATTRIBUTE_LIMIT:
            kept[name] = plain
        elif item is not None:
            repairs.append("attributes")
    return kept


def _attribute_of(item: object, repairs: list[str]) -> str | float | bool | None:
    if type(item) is bool:
        return item
    if type(item) is int:
        return item if abs(item) < 2**53 else str(item)[:NAME_LIMIT]
    if type(item) is float:
        return item if math.isfinite(item) else None
    text = as_text(item, "attributes", repairs)
    return None if text is None else cut(text, ATTRIBUTE_TEXT_LIMIT)


def _text_of(value: object) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if issubclass(kind, str):
        return str.__str__(value)  # the text itself: an enum's own __str__ says its name
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, (dict, list, tuple)):
        try:
            return json.dumps(value, ensure_ascii=False, default=str)
        except (TypeError, ValueError, RecursionError):  # keys that are no text; cycles
            return str(value)
    return str(value)
