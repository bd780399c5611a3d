"""A task's JSON Schema, compiled once: drafts 4, 6 and 7, as `fastjsonschema` understands them.

What the compiler would silently leave out (newer drafts), fetch from elsewhere (remote references),
or get stuck in (endless patterns) is refused here, with a JSON pointer to the place.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import fastjsonschema

from evaluators.regex_cost import refuse_endless

DRAFTS = ("draft-04", "draft-06", "draft-07")
MOST_LEVELS = 50

# Where a schema holds schemas: by name, in a list, or on their own.
_NAMED = ("properties", "patternProperties", "definitions", "$defs", "dependencies")
_LISTED = ("allOf", "anyOf", "oneOf")
_SINGLE = (
    "additionalProperties", "additionalItems", "contains", "propertyNames", "not",
    "if", "then", "else",
)  # fmt: skip
# Of drafts 2019-09 and 2020-12; an older compiler would let everything pass them.
_TOO_NEW = (
    "prefixItems", "unevaluatedProperties", "unevaluatedItems", "dependentRequired",
    "dependentSchemas", "minContains", "maxContains", "$dynamicRef", "$recursiveRef",
)  # fmt: skip


class SchemaError(ValueError):
    """The schema cannot be used; `path` is a JSON pointer into it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


class CompiledSchema:
    """Tells the first rule that a document breaks, in words of the schema and none of its own."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        own = _copied(schema)
        levels = list(_walk(own, ""))
        for path, level in levels:
            _check(path, level)
        # Names that the schema itself uses may be shown; any other key is text of the answer.
        self._names = {name for _, level in levels for name in _names(level)}
        self._validate = _compiled(own)

    def fault_in(self, document: Any) -> str | None:
        """The place and the rule that it breaks, or None. Never raises."""
        try:
            self._validate(document)
        except fastjsonschema.JsonSchemaValueException as error:
            return f"{self._place(error.path[1:], document)}: {_rule(error)}"
        except RecursionError:
            return "/: nested too deeply to be checked"
        except Exception as error:
            # E.g. multipleOf of 1e999: arithmetic of the compiled code, on what the answer holds.
            return f"/: cannot be checked ({type(error).__name__})"
        return None

    def _place(self, keys: list[str], document: Any) -> str:
        shown = ""
        for key in keys:
            if isinstance(document, list) and key.isdecimal() and int(key) < len(document):
                document = document[int(key)]
            elif isinstance(document, dict) and key in self._names and key in document:
                document = document[key]
            else:
                return f"{shown}/*"
            shown += f"/{key}"
        return shown or "/"


def _copied(schema: Mapping[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(schema, default=dict, allow_nan=False))
    except RecursionError as error:
        raise SchemaError("", f"nested more than {MOST_LEVELS} levels deep") from error
    except (TypeError, ValueError) as error:
        raise SchemaError("", f"cannot be written as JSON: {error}") from error


def _walk(schema: Any, path: str, level: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within the schema, with its JSON pointer."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise SchemaError(path, "a schema is an object, or true or false")
    if level > MOST_LEVELS:
        raise SchemaError(path, f"nested more than {MOST_LEVELS} levels deep")
    yield path, schema
    for place, inner in _inner(schema, path):
        yield from _walk(inner, place, level + 1)


def _inner(schema: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for keyword in _NAMED:
        named = schema.get(keyword, {})
        if not isinstance(named, dict):
            raise SchemaError(f"{path}/{keyword}", "an object of schemas belongs here")
        for name, inner in named.items():
            if keyword != "dependencies" or not isinstance(inner, list):
                yield f"{path}/{keyword}/{name}", inner
    # `items` is a schema for all, or a list of schemas one after the other.
    tuples = isinstance(schema.get("items"), list)
    for keyword in (*_LISTED, "items") if tuples else _LISTED:
        listed = schema.get(keyword, [])
        if not isinstance(listed, list):
            raise SchemaError(f"{path}/{keyword}", "a list of schemas belongs here")
        for index, inner in enumerate(listed):
            yield f"{path}/{keyword}/{index}", inner
    for keyword in _SINGLE if tuples else (*_SINGLE, "items"):
        if keyword in schema:
            yield f"{path}/{keyword}", schema[keyword]


def _check(path: str, schema: dict[str, Any]) -> None:
    draft = schema.get("$schema", DRAFTS[-1])
    if not any(known in str(draft) for known in DRAFTS):
        raise SchemaError(f"{path}/$schema", f"use one of {', '.join(DRAFTS)}")
    for keyword in _TOO_NEW:
        if keyword in schema:
            raise SchemaError(f"{path}/{keyword}", f"is newer than {DRAFTS[-1]}, the newest here")
    if not str(schema.get("$ref", "#")).startswith("#"):
        raise SchemaError(f"{path}/$ref", "only references into the same schema (#/...) are read")
    step = schema.get("multipleOf", 1)
    if isinstance(step, bool) or not isinstance(step, (int, float)) or step <= 0:
        raise SchemaError(f"{path}/multipleOf", "must be a number above 0")
    patterns = [("/pattern", schema["pattern"])] if "pattern" in schema else []
    patterns += [
        (f"/patternProperties/{name}", name) for name in schema.get("patternProperties", ())
    ]
    for place, pattern in patterns:
        try:
            refuse_endless(str(pattern))
        except ValueError as error:
            raise SchemaError(path + place, str(error)) from error


def _names(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", ())
    names = required if isinstance(required, list) else ()
    return [*schema.get("properties", ()), *(name for name in names if isinstance(name, str))]


def _compiled(schema: Any) -> Callable[[Any], Any]:
    try:
        compiled: Callable[[Any], Any] = fastjsonschema.compile(schema, use_default=False)
    except Exception as error:
        # The compiler meets a wrong schema with whatever its own code stumbles over.
        raise SchemaError("", f"is not a JSON Schema: {error}") from error
    return compiled


def _rule(error: fastjsonschema.JsonSchemaValueException) -> str:
    definition = error.rule_definition
    if error.rule is None:
        return "must not be there"
    if error.rule == "required" and isinstance(error.value, dict):
        missing = [name for name in definition if name not in error.value]
        return f"misses {', '.join(missing)}"
    if isinstance(definition, (str, int, float)):
        return f"breaks {error.rule}: {str(definition)[:100]}"
    if error.rule in ("enum", "type"):
        return f"breaks {error.rule}: {json.dumps(definition)[:100]}"
    return f"breaks {error.rule}"
