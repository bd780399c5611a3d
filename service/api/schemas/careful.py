"""Reading a batch item by item, where reading it in one step has failed."""

import json
import math
import re
from http import HTTPStatus
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct

from service.api.schemas.items import Outcome
from service.api.schemas.words import DIMENSION_BYTES
from service.domain.calls import Remark
from service.domain.json_size import MOST_CONTAINERS, holds_too_much
from service.errors import InvalidInputError

Item = TypeVar("Item", bound=Struct)
_FAULT = re.compile(r"(?P<reason>.*?)(?: - at (?:`\w+` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(
    r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL
)
_CHOICE = re.compile("Invalid enum value")
_DIGITS = 309
"""Of the largest double. Of many more, Python would not even make an integer."""
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")


class InvalidBatchError(InvalidInputError):
    """The batch cannot be read."""


class TooManyObjectsError(InvalidInputError):
    """The batch would take too much memory; send several smaller ones."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def load_json(body: bytes) -> Any:
    """The body as Python values. NaN, Infinity and lone surrogates pass: they are an item's fault.

    Raises:
        InvalidBatchError: It is no JSON at all.
        TooManyObjectsError: It would take too much memory.
    """
    if holds_too_much(body):
        raise TooManyObjectsError(
            f"The body holds more than {MOST_CONTAINERS} objects and lists; send smaller batches"
        )
    try:
        return json.loads(body.decode(), parse_int=_integer)
    except UnicodeDecodeError:
        raise InvalidBatchError("The body is not UTF-8") from None
    except RecursionError:
        raise InvalidBatchError("The body is nested too deeply") from None
    except json.JSONDecodeError as error:
        what, line, column = error.msg.removesuffix(" at"), error.lineno, error.colno
        raise InvalidBatchError(
            f"The body is not JSON: {what} at line {line}, column {column}"
        ) from None


def _integer(digits: str) -> int | float:
    # As an infinity it is the fault of its item, not of the whole batch.
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def read_envelope(value: Any, envelope: type[Item]) -> Item:
    """The batch without its items.

    Raises:
        InvalidBatchError: saying where.
    """
    try:
        return msgspec.convert(value, envelope)
    except UnicodeEncodeError:
        raise InvalidBatchError("The batch's own fields must not contain lone surrogates") from None
    except msgspec.ValidationError as error:
        fault = _unknown_field(value, envelope, "") or _remark_of(error, "")
        raise InvalidBatchError(f"{fault.pointer or 'The body'}: {fault.reason}") from None


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
    fault = _unstorable(value, pointer) or _unknown_field(value, kind, pointer)
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
                None if isinstance(part, list) else _unstorable(part, below(pointer, key))
            )
            if fault is not None:
                return fault
    elif isinstance(value, str):
        if "\x00" in value:
            return Remark(pointer, "must not contain NUL characters")
        if not _is_unicode(value):
            return Remark(pointer, "must not contain lone surrogates")
    elif isinstance(value, float) and not math.isfinite(value):
        return Remark(pointer, "must be a finite number")
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unknown_field(value: Any, kind: type[Struct], pointer: str) -> Remark | None:
    # Not left to msgspec: its message quotes the name, which may itself look like a message.
    known = kind.__struct_fields__
    for name in value if isinstance(value, dict) else ():
        if name not in known:
            if len(name) > DIMENSION_BYTES:
                return Remark(pointer, f"has a field that is not one here: {name[:20]!r}...")
            return Remark(below(pointer, name), "is not a field here")
    return None


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
        reason = "is required" if field["what"].startswith("missing") else "is not a field here"
        return Remark(below(pointer + path, field["name"]), reason)
    if _CHOICE.match(reason):
        reason = f"must be one of: {', '.join(get_args(Outcome))}"
    return Remark(pointer + path, reason)


def below(pointer: str, name: str) -> str:
    """The pointer to a field; to what it is in, where its name is too long to be repeated.

    >>> below("/samples/0/attributes", "a/b~c")
    '/samples/0/attributes/a~1b~0c'
    """
    if len(name) > DIMENSION_BYTES:
        return pointer
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
