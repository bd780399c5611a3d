"""What is wrong with a declaration, and where: one error names all of it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import InvalidInputError

Path = tuple[str | int, ...]

_SHOWN_CHARACTERS = 80
_SECRET_FIELDS = frozenset({"url", "secret"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where it is, what was found there, and what is allowed."""

    file: str
    document: int
    path: str
    found: str
    allowed: str

    def __str__(self) -> str:
        place = f"{self.file}, document {self.document}"
        at = f"{place}, {self.path}" if self.path else place
        return f"{at}: found {self.found}; {self.allowed}"


class InvalidDeclarationError(InvalidInputError):
    """The declarations hold faults; none of them was applied."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
        lines = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"{count} in the declarations, nothing was applied:\n{lines}")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document. `raw` is as written, and what messages quote: `${VAR}` stays what it is."""

    file: str
    number: int
    raw: Any
    content: Any

    def problem(self, path: Path, allowed: str, found: str | None = None) -> Problem:
        """A fault at this path; what is found there is looked up unless said."""
        shown = self._found_at(path) if found is None else found
        return Problem(self.file, self.number, spell_path(path), shown, allowed)

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


def spell_path(path: Path) -> str:
    """
    >>> spell_path(("spec", "objectives", 0, "target"))
    'spec.objectives[0].target'
    """
    spelt = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return spelt.removeprefix(".")


def show(value: object) -> str:
    """What was found, short, and as what YAML read it."""
    match value:
        case None:
            return "nothing"
        case Mapping():
            return "a mapping"
        case list():
            return f"a list of {len(value)}"
        case bool():
            return str(value).lower()
        case str():
            text = repr(value)
        case int() | float():
            text = f"the number {value}"
        case _:
            text = f"{value} (YAML reads it as a {type(value).__name__})"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def list_allowed(names: Iterable[str], wrong: object = None) -> str:
    """The allowed names, the one that was probably meant first.

    >>> list_allowed(["target", "targetPercent"], "tarjet")
    "did you mean 'target'? Allowed: target, targetPercent"
    """
    names = sorted(names)
    near = difflib.get_close_matches(str(wrong), names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}{'Allowed' if guess else 'allowed'}: {', '.join(names) or 'none'}"
