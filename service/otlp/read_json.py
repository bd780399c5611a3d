"""`ExportTraceServiceRequest` in JSON: ids in hexadecimal, enums and 64-bit integers as numbers
or texts, unknown fields ignored. A span with a value of the wrong type costs only itself.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

from service.domain.json_size import MOST_CONTAINERS, holds_too_much
from service.otlp.errors import TooManyFieldsError, UnreadableExportError
from service.otlp.spans import Attributes, Span, SpanEvent, Unreadable
from service.otlp.values import DEEPEST, cleaned

_STATUS_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_LARGEST_NS = 2**64


def read_json(body: bytes) -> Iterator[Span | Unreadable]:
    """The spans of a request, one by one.

    Raises:
        UnreadableExportError: These bytes are no such document.
    """
    try:
        yield from _spans(load_document(body))
    except TypeError as error:
        message = f"The body is not an ExportTraceServiceRequest: {error}"
        raise UnreadableExportError(message) from None


def load_document(body: bytes) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        UnreadableExportError: It is none.
        TooManyFieldsError: It would take too much memory.
    """
    if holds_too_much(body):
        raise TooManyFieldsError(
            f"The body holds more than {MOST_CONTAINERS} objects and lists; send fewer spans or "
            "records at once"
        )
    try:
        document = json.loads(body.decode())
    except RecursionError:
        raise UnreadableExportError("The body is nested too deeply") from None
    except ValueError:  # not UTF-8, not JSON, or a number of more digits than Python converts
        raise UnreadableExportError("The body is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise UnreadableExportError("The body is not a JSON object")
    return document


def _spans(document: dict[str, Any]) -> Iterator[Span | Unreadable]:
    for of_resource in list_of(document, "resourceSpans"):
        resource = read_attributes(_field(of_resource, "resource", dict))
        for of_scope in list_of(of_resource, "scopeSpans"):
            for span in list_of(of_scope, "spans"):
                try:
                    yield _span(span, resource)
                except (TypeError, ValueError) as error:
                    yield Unreadable(str(error))


def _span(span: Any, resource: Attributes) -> Span:
    status = _field(span, "status", dict)
    return Span(
        trace_id=identifier_of(span, "traceId"),
        span_id=identifier_of(span, "spanId"),
        trace_state=_field(span, "traceState", str),
        flags=_whole(span, "flags"),
        name=cleaned(_field(span, "name", str)),
        started_ns=_whole(span, "startTimeUnixNano"),
        ended_ns=_whole(span, "endTimeUnixNano"),
        status_code=_status_code(status),
        status_message=cleaned(_field(status, "message", str)),
        attributes=read_attributes(span),
        resource=resource,
        events=tuple(
            SpanEvent(_field(event, "name", str), read_attributes(event))
            for event in list_of(span, "events")
        ),
    )


def read_attributes(holder: Any) -> dict[str, Any]:
    """`attributes` by key. A value that is none of the protocol's is None; the others are read."""
    read = {}
    for pair in list_of(holder, "attributes"):
        if isinstance(pair, dict) and isinstance(key := pair.get("key"), str):
            read[cleaned(key)] = _value(pair.get("value"), 0)
    return read


def read_value(value: Any) -> Any:
    """What an `AnyValue` holds; None where it is none."""
    return _value(value, 0)


def _value(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > DEEPEST:
        return None
    for kind, held in value.items():
        read = _READERS.get(kind)
        if read is not None:
            return read(held, depth)
    return None


def _text(held: Any, _depth: int) -> str | None:
    return cleaned(held) if isinstance(held, str) else None


def _truth(held: Any, _depth: int) -> bool | None:
    return held if isinstance(held, bool) else None


def _integer(held: Any, _depth: int) -> int | None:
    try:
        return None if isinstance(held, bool) else int(held)
    except (TypeError, ValueError, OverflowError):
        return None


def _double(held: Any, _depth: int) -> float | None:
    try:
        number = None if isinstance(held, bool) else float(held)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and math.isfinite(number) else None


def _array(held: Any, depth: int) -> list[Any] | None:
    values = held.get("values") if isinstance(held, dict) else None
    return [_value(item, depth + 1) for item in values] if isinstance(values, list) else None


def _mapping(held: Any, depth: int) -> dict[str, Any] | None:
    pairs = held.get("values") if isinstance(held, dict) else None
    if not isinstance(pairs, list):
        return None
    return {
        cleaned(pair["key"]): _value(pair.get("value"), depth + 1)
        for pair in pairs
        if isinstance(pair, dict) and isinstance(pair.get("key"), str)
    }


_READERS = {
    "stringValue": _text,
    "boolValue": _truth,
    "intValue": _integer,
    "doubleValue": _double,
    "arrayValue": _array,
    "kvlistValue": _mapping,
}


def list_of(holder: Any, name: str) -> list[Any]:
    """A repeated field.

    Raises:
        TypeError: It is no list, or the holder no object.
    """
    return _field(holder, name, list)  # type: ignore[no-any-return]


def _field(holder: Any, name: str, kind: type) -> Any:
    """A field of that kind; its zero where there is none."""
    if not isinstance(holder, dict):
        raise TypeError(f"the holder of {name} is not an object")
    held = holder.get(name)
    if held is None:
        return kind()
    if not isinstance(held, kind):
        raise TypeError(f"{name} is not of its type")
    return held


def _whole(holder: dict[str, Any], name: str) -> int:
    held = holder.get(name, 0)
    number = _integer(held, 0)
    if number is None or not 0 <= number < _LARGEST_NS:
        raise ValueError(f"{name} is not a 64-bit integer")
    return number


def _status_code(status: dict[str, Any]) -> int:
    code = status.get("code", 0)
    return _STATUS_CODES.get(code, 0) if isinstance(code, str) else _whole(status, "code")


def identifier_of(span: Any, name: str) -> bytes:
    """An id, in hexadecimal.

    Raises:
        TypeError, ValueError: It is none.
    """
    try:
        return bytes.fromhex(_field(span, name, str))
    except ValueError:
        raise ValueError(f"{name} is not hexadecimal") from None
