"""YAML files to documents: nothing guessed, nothing lost, `${VAR}` filled in."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from service.specs.problems import Document, Path, Problem, show

_DEEPEST = 40
# Aliases of aliases can grow a page into billions of values.
_MOST_VALUES = 100_000
_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What PostgreSQL cannot store: NUL and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class _StrictLoader(yaml.SafeLoader):
    """A key that is given twice is an error; YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key != "<<" and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_documents(
    files: Iterable[tuple[str, str]], environment: Mapping[str, str]
) -> tuple[list[Document], list[Problem]]:
    """Every document of (file name, text), and what could not be read. Empty ones are left out."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for file, text in files:
        number = 0
        try:
            for number, raw in enumerate(_load_all(text), start=1):
                if raw is not None:
                    filling = _Filling(Document(file, number, raw, None), environment)
                    content = filling.fill(raw, ())
                    problems += filling.problems
                    documents.append(Document(file, number, raw, content))
        except yaml.YAMLError as error:
            problems.append(Problem(file, number + 1, "", _describe(error), "allowed: valid YAML"))
        except (RecursionError, ValueError) as error:
            # ValueError: a timestamp like 2026-99-99.
            reason = "values in values without end" if isinstance(error, RecursionError) else error
            problems.append(Problem(file, number + 1, "", str(reason), "allowed: valid YAML"))
    return documents, problems


def _load_all(text: str) -> Iterator[Any]:
    return yaml.load_all(text, Loader=_StrictLoader)


def _describe(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{what} (line {mark.line + 1}, column {mark.column + 1})" if mark else str(what)


class _Filling:
    """Fills in one document; what it cannot fill in, it notes and leaves."""

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document = document
        self._environment = environment
        self._values = 0
        self.problems: list[Problem] = []

    def fill(self, value: Any, path: Path) -> Any:
        self._values += 1
        if len(path) > _DEEPEST or self._values > _MOST_VALUES:
            if self._values <= _MOST_VALUES + 1:
                limits = f"allowed: {_DEEPEST} levels, {_MOST_VALUES} values"
                self._note(path, limits, "too much")
                self._values = _MOST_VALUES + 1
            return None
        if isinstance(value, str):
            return self._fill_text(value, path)
        if isinstance(value, list):
            return [self.fill(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {
                self._check_key(key, path): self.fill(item, (*path, str(key)))
                for key, item in value.items()
            }
        return value

    def _check_key(self, key: object, path: Path) -> str:
        if not isinstance(key, str):
            self._note(path, "allowed: text; quote it", f"the key {show(key)}")
        elif _UNSTORABLE.search(key):
            self._note(path, "allowed: no NUL, no lone surrogates", f"the key {key!r}")
        return str(key)

    def _fill_text(self, text: str, path: Path) -> str:
        filled = _VARIABLE.sub(lambda match: self._look_up(match, path), text)
        if _UNSTORABLE.search(filled):
            self._note(path, "allowed: text without NUL and lone surrogates")
        return filled

    def _look_up(self, match: re.Match[str], path: Path) -> str:
        name = match[2]
        if match[1]:
            return match[0].removeprefix("$")
        if not _NAME.fullmatch(name):
            allowed = "allowed: ${NAME} of a variable in the environment, $${ for a plain ${"
        elif name in self._environment:
            return self._environment[name]
        else:
            allowed = f"set the variable {name} in the environment, or write $${{{name}}} for text"
        self._note(path, allowed, match[0])
        return match[0]

    def _note(self, path: Path, allowed: str, found: str | None = None) -> None:
        self.problems.append(self._document.problem(path, allowed, found))
