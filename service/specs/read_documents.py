"""YAML files to documents: nothing guessed, nothing lost, `${VAR}` filled in."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from service.specs.documents import Document
from service.specs.problems import Path, Problem, show
from service.specs.strict_yaml import describe, load_all

_DEEPEST = 40
# Aliases of aliases can grow a page into billions of values.
_MOST_VALUES = 100_000
_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What PostgreSQL cannot store: NUL and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """What was read. `is_torn`: a file is no YAML, so nobody knows what else it would declare."""

    documents: tuple[Document, ...]
    broken: tuple[Document, ...]
    problems: tuple[Problem, ...]
    is_torn: bool


def read_documents(files: Iterable[tuple[str, str]], environment: Mapping[str, str]) -> ReadFiles:
    """Every document of (file name, text), and what could not be read. Empty ones are left out."""
    documents: list[Document] = []
    broken: list[Document] = []
    problems: list[Problem] = []
    is_torn = False
    for file, text in files:
        number = 0
        try:
            for number, (node, raw) in enumerate(load_all(text), start=1):
                values = 0
                for document in _split(Document(file, number, raw, None, node)):
                    filling = _Filling(document, environment, values)
                    filled = replace(document, content=filling.fill(document.raw, ()))
                    (broken if filling.problems else documents).append(filled)
                    problems += filling.problems
                    if (values := filling.values) > _MOST_VALUES:
                        break
        except yaml.YAMLError as error:
            is_torn = True
            what, line = describe(error, text)
            problems.append(Problem(file, number + 1, line, "", what, "allowed: valid YAML"))
        except RecursionError:
            is_torn = True
            what = "values in values without end"
            problems.append(Problem(file, number + 1, 1, "", what, "allowed: valid YAML"))
    return ReadFiles(tuple(documents), tuple(broken), tuple(problems), is_torn)


def _split(document: Document) -> Iterator[Document]:
    """A list of documents is as many documents, as OpenSLO's own tools read it."""
    items, node = document.raw, document.node
    if not isinstance(items, list) or not isinstance(node, yaml.SequenceNode) or not items:
        if items is not None:
            yield document
        return
    for index, (item, below) in enumerate(zip(items, node.value, strict=True)):
        yield replace(document, raw=item, node=below, inside=(index,))


def escape_variables(text: str) -> str:
    """The text as it has to stand in a document, so that it is read as it is.

    >>> escape_variables("${HOME}")
    '$${HOME}'
    """
    return re.sub(r"\$\{[^}]*\}", lambda match: f"${match[0]}", text)


class _Filling:
    """Fills in one document; what it cannot fill in, it notes and leaves."""

    def __init__(self, document: Document, environment: Mapping[str, str], values: int) -> None:
        self._document = document
        self._environment = environment
        self.values = values
        self.problems: list[Problem] = []

    def fill(self, value: Any, path: Path) -> Any:
        self.values += 1
        if len(path) > _DEEPEST or self.values > _MOST_VALUES:
            if self.values <= _MOST_VALUES + 1:
                limits = f"allowed: {_DEEPEST} levels, {_MOST_VALUES} values"
                self._note(path, limits, "too much")
                self.values = _MOST_VALUES + 1
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
