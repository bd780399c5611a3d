"""Documents to shapes: what does not fit is told in the words of the documents, not of pydantic."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from service.specs.problems import Document, Path, Problem, list_allowed, show
from service.specs.shapes import KINDS, DocumentShape

# By pydantic's error type; its context fills the braces.
_ALLOWED = {
    "missing": "this field is required",
    "string_type": "allowed: text; quote it",
    "bool_type": "allowed: true or false",
    "float_type": "allowed: a number, not quoted",
    "int_type": "allowed: a whole number, not quoted",
    "list_type": "allowed: a list",
    "dict_type": "allowed: a mapping",
    "model_type": "allowed: a mapping",
    "model_attributes_type": "allowed: a mapping",
    "finite_number": "allowed: a finite number",
    "greater_than": "allowed: a number above {gt}",
    "greater_than_equal": "allowed: a number from {ge} on",
    "less_than": "allowed: a number below {lt}",
    "less_than_equal": "allowed: a number up to {le}",
    "string_pattern_mismatch": "allowed: text that matches {pattern}",
    "string_too_short": "allowed: text that is not empty",
    "string_too_long": "allowed: text of up to {max_length} characters",
    "too_short": "allowed: at least {min_length} of them",
    "too_long": "allowed: at most {max_length} of them",
    "literal_error": "allowed: {expected}",
    "value_error": "{error}",
}
_HINTS = {
    ("target", "less_than"): "allowed: a number between 0 and 1, like 0.95 (or targetPercent: 95)",
    ("target", "greater_than"): "allowed: a number between 0 and 1, like 0.95",
    ("isRolling", "literal_error"): "allowed: true; calendar windows are not supported",
}


def check_shape(document: Document) -> DocumentShape | list[Problem]:
    """The document as its kind's shape, or everything that does not fit."""
    content = document.content
    if not isinstance(content, Mapping):
        return [document.problem((), "allowed: a mapping with apiVersion, kind, metadata and spec")]
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return [document.problem(("kind",), list_allowed(KINDS, kind))]
    version, shape = KINDS[kind]
    if content.get("apiVersion") != version:
        return [document.problem(("apiVersion",), f"allowed for kind {kind}: {version}")]
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        return [
            _translate(document, shape, fault)
            for fault in error.errors(include_url=False, include_input=False)
        ]


def _translate(document: Document, shape: type[BaseModel], fault: Mapping[str, Any]) -> Problem:
    path: Path = tuple(fault["loc"])
    kind = fault["type"]
    if kind == "extra_forbidden":
        allowed = list_allowed(_fields_at(shape, path[:-1]), path[-1])
        return document.problem(path, allowed, f"an unknown field {show(path[-1])}")
    hint = _HINTS.get((str(path[-1]) if path else "", kind))
    template = hint or _ALLOWED.get(kind, fault["msg"])
    return document.problem(path, template.format_map(fault.get("ctx", {})))


def _fields_at(shape: Any, path: Path) -> list[str]:
    """The field names that a shape allows at a path inside it."""
    for part in path:
        if isinstance(part, int):
            shape = get_args(shape)[0]
        else:
            fields = {field.alias: field.annotation for field in shape.model_fields.values()}
            shape = fields[part]
        if get_origin(shape) in (Union, UnionType):
            shape = next(arg for arg in get_args(shape) if arg is not type(None))
    return [field.alias for field in shape.model_fields.values()]
