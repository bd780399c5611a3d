"""Reading a batch item by item, where reading it in one step has failed."""

import json
import math
import re
from typing import Any, TypeVar

import msgspec

from service.domain.calls import Remark
from service.errors import InvalidInputError

Item = TypeVar("Item")
_FAULT = re.compile(r"(?P<reason>.*?)(?: - at (?:`\w+` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`")
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")


class InvalidBatchError(InvalidInputError):
    """The batch cannot be read."""


def load_json(body: bytes) -> Any:
    """The body as Python values. NaN, Infinity and lone surrogates pass: they are an item's fault.

    Raises:
        InvalidBatchError: It is no JSON at all.
    """
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError:
        raise InvalidBatchError("The body is not UTF-8") from None
    except RecursionError:
        raise InvalidBatchError("The body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InvalidBatchError(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError:  # an integer of more digits than Python converts
        raise InvalidBatchError("The body holds a number that is too long") from None


def read_envelope(value: Any, envelope: type[Item]) -> Item:
    """The batch without its items.

    Raises:
        InvalidBatchError: saying where.
    """
    try:
        return msgspec.convert(value, envelope)
    except msgspec.ValidationError as error:
        remark = _remark_of(error, "")
        raise InvalidBatchError(f"{remark.pointer}: {remark.reason}") from None


def read_items(
    values: list[Any], kind: type[Item], pointer: str, rejections: list[Remark]
) -> dict[int, Item]:
    """Those items that can be read; the others are added to `rejections`."""
    taken = {}
    for index, value in enumerate(values):
        item = read_item(value, kind, f"{pointer}/{index}", rejections)
        if item is not None:
            taken[index] = item
    return taken


def read_item(value: Any, kind: type[Item], pointer: str, rejections: list[Remark]) -> Item | None:
    """One item; None where it cannot be read."""
    fault = _unstorable(value, pointer)
    if fault is None:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            fault = _remark_of(error, pointer)
    rejections.append(fault)
    return None


def _unstorable(value: Any, pointer: str) -> Remark | None:
    """The first text or number, in it or in an object of it, that no database would take."""
    if isinstance(value, dict):
        for key, part in value.items():
            fault = _unstorable(key, pointer) or (
                None if isinstance(part, list) else _unstorable(part, f"{pointer}/{_escape(key)}")
            )
            if fault is not None:
                return fault
    elif isinstance(value, str):
        if "\x00" in value:
            return Remark(pointer, "must not contain NUL characters")
        if not _is_unicode(value):
            return Remark(_printable(pointer), "must not contain lone surrogates")
    elif isinstance(value, float) and not math.isfinite(value):
        return Remark(pointer, "must be a finite number")
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _remark_of(error: msgspec.ValidationError, pointer: str) -> Remark:
    """What msgspec says, with its path as a JSON pointer.

    >>> _remark_of(msgspec.ValidationError("Expected `str`, got `int` - at `$.a[2]`"), "/samples/0")
    Remark(pointer='/samples/0/a/2', reason='Expected `str`, got `int`')
    >>> _remark_of(msgspec.ValidationError("Object missing required field `task`"), "/samples/0")
    Remark(pointer='/samples/0/task', reason='is required')
    """
    found = _FAULT.fullmatch(str(error))
    assert found is not None  # noqa: S101 - the pattern matches any text
    steps = _STEP.finditer(found["path"] or "")
    path = "".join(f"/{step['name'] or step['index']}" for step in steps)
    reason = found["reason"]
    if field := _FIELD.match(reason):
        path += f"/{_escape(field['name'])}"
        reason = "is required" if field["what"].startswith("missing") else "is not a field here"
    return Remark(pointer + path, reason)


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
