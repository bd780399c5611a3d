"""A YAML document, and how a place in it is found again: its path, its line, what stands there."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from service.specs.dialects import spell_as_v2
from service.specs.problems import Assumption, Path, Problem, show, spell_path

_SECRET_FIELDS = frozenset({"url", "secret", "connectionDetails"})


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document. `raw` is as written, and what messages quote: `${VAR}` stays what it is.

    inside: where it stands, if the YAML document is a list of them.
    is_v2:  it has the words of OpenSLO v2; paths have those of v1 until they are told.
    """

    file: str
    number: int
    raw: Any
    content: Any
    node: yaml.Node | None = field(default=None, compare=False, repr=False)
    inside: Path = ()
    is_v2: bool = False

    def problem(self, path: Path, allowed: str, found: str | None = None) -> Problem:
        """A fault at this path; what is found there is looked up unless said."""
        return Problem(*self._place(path, found), allowed)

    def assumption(self, path: Path, assumed: str, found: str | None = None) -> Assumption:
        """A warning at this path."""
        return Assumption(*self._place(path, found), assumed)

    def _place(self, path: Path, found: str | None) -> tuple[str, int, int, str, str]:
        path = self._as_written(path)
        shown = self._found_at(path) if found is None else found
        return self.file, self.number, self.line_of(path), spell_path((*self.inside, *path)), shown

    def _as_written(self, path: Path) -> Path:
        if self.is_v2:
            path = spell_as_v2(path)
        value = self.raw
        for depth, part in enumerate(path):
            if isinstance(value, str):  # a name that stands for a reference by that name
                return path[:depth]
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                break
        return path

    def _found_at(self, path: Path) -> str:
        value = self.raw
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return "nothing"
        if _SECRET_FIELDS & set(path):
            return "a value that is not shown here"
        return show(value)

    def line_of(self, path: Path) -> int:
        """The line of what is at this path, as written, or of the last that holds it."""
        node, line = self.node, 1 if self.node is None else _line(self.node)
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            node, line = step
        return line


def _step(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], _line(node.value[part])
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return value, _line(key)
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


@dataclass(slots=True)
class Findings:
    """What reading came upon so far."""

    problems: list[Problem] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)

    def refuse(
        self, document: Document, path: Path, allowed: str, found: str | None = None
    ) -> None:
        """Note a fault."""
        self.problems.append(document.problem(path, allowed, found))

    def assume(
        self, document: Document, path: Path, assumed: str, found: str | None = None
    ) -> None:
        """Note a warning."""
        self.assumptions.append(document.assumption(path, assumed, found))
