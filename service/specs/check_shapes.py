"""Documents to shapes: what does not fit is told in the words of the documents, not of pydantic."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from service.specs.dialects import V1, V2, to_v1
from service.specs.documents import Document, Findings
from service.specs.openslo_shapes import (
    ConditionDocument,
    DataSourceDocument,
    PolicyDocument,
    ServiceDocument,
    SliDocument,
    SloDocument,
    TargetDocument,
)
from service.specs.problems import Path, is_near, list_allowed, show
from service.specs.shapes import (
    AppDocument,
    ChannelDocument,
    DocumentShape,
    OwnDocument,
    Shape,
    TaskDocument,
)

AnyShape = TypeVar("AnyShape", bound=Shape)

OURS = "watchkeeper/v1"
OUR_KINDS: dict[str, type[OwnDocument]] = {
    "App": AppDocument,
    "Task": TaskDocument,
    "Channel": ChannelDocument,
}
OPENSLO_KINDS: dict[str, type[DocumentShape]] = {
    "SLO": SloDocument,
    "SLI": SliDocument,
    "Service": ServiceDocument,
    "AlertPolicy": PolicyDocument,
    "AlertCondition": ConditionDocument,
    "AlertNotificationTarget": TargetDocument,
    "DataSource": DataSourceDocument,
}

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
}


def check_document(document: Document, findings: Findings) -> tuple[Document, DocumentShape | None]:
    """The document, in the words of OpenSLO v1 if it is one, and its shape; None: it has faults."""
    content = document.content
    if not isinstance(content, Mapping):
        findings.refuse(document, (), "allowed: a mapping with apiVersion, kind, metadata and spec")
        return document, None
    kind, version = content.get("kind"), content.get("apiVersion")
    if kind in tuple(OUR_KINDS):
        if version != OURS:
            findings.refuse(document, ("apiVersion",), f"allowed for kind {kind}: {OURS}")
            return document, None
        return document, check_shape(document, (), content, OUR_KINDS[kind], findings)
    if kind not in tuple(OPENSLO_KINDS):
        findings.refuse(document, ("kind",), list_allowed(OUR_KINDS | OPENSLO_KINDS, kind))
        return document, None
    if version not in (V1, *V2):
        allowed = f"allowed for kind {kind}: {V1}, openslo.com/v2alpha"
        findings.refuse(document, ("apiVersion",), allowed)
        return document, None
    is_v2 = version in V2
    document = replace(document, content=to_v1(content, is_v2), is_v2=is_v2)
    return document, _check_leniently(document, OPENSLO_KINDS[kind], findings)


def check_shape(
    document: Document,
    path: Path,
    content: object,
    shape: type[AnyShape],
    findings: Findings,
) -> AnyShape | None:
    """What stands at this path as that shape; None: it has faults, which are noted."""
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            _refuse(document, path, shape, fault, findings)
        return None


def _check_leniently(
    document: Document, shape: type[DocumentShape], findings: Findings
) -> DocumentShape | None:
    """As above, but fields that other tools may know are only noted, and left out."""
    try:
        return shape.model_validate(document.content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
    pruned = deepcopy(document.content)
    has_faults = False
    for fault in faults:
        path = tuple(fault["loc"])
        if fault["type"] != "extra_forbidden" or is_near(path[-1], _fields_at(shape, path[:-1])):
            has_faults = True
            _refuse(document, (), shape, fault, findings)
            continue
        named = f"an unknown field {show(path[-1])}"
        findings.assume(document, path, "assumed: it means nothing here, so it is left out", named)
        _delete(pruned, path)
    if has_faults:
        return None
    return check_shape(document, (), pruned, shape, findings)


def _delete(content: Any, path: Path) -> None:
    for part in path[:-1]:
        content = content[part]
    del content[path[-1]]


def _refuse(
    document: Document,
    above: Path,
    shape: type[BaseModel],
    fault: Mapping[str, Any],
    findings: Findings,
) -> None:
    path: Path = tuple(fault["loc"])
    kind = fault["type"]
    if kind == "extra_forbidden":
        allowed = list_allowed(_fields_at(shape, path[:-1]), path[-1])
        findings.refuse(document, (*above, *path), allowed, f"an unknown field {show(path[-1])}")
        return
    hint = _HINTS.get((str(path[-1]) if path else "", kind))
    template = hint or _ALLOWED.get(kind, fault["msg"])
    findings.refuse(document, (*above, *path), template.format_map(fault.get("ctx", {})))


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
