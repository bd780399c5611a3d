"""What is wrong with declarations or was assumed of them, and where: one error names all of it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.errors import InvalidInputError

Path = tuple[str | int, ...]

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where it is, what was found there, and what is allowed."""

    file: str
    document: int
    line: int
    path: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{_spell_place(self)}: found {self.found}; {self.allowed}"


@dataclass(frozen=True, slots=True)
class Assumption:
    """A warning: what was found, and what was assumed of it. Nothing needs to be done."""

    file: str
    document: int
    line: int
    path: str
    found: str
    assumed: str

    def __str__(self) -> str:
        return f"{_spell_place(self)}: found {self.found}; {self.assumed}"

    def as_problem(self) -> Problem:
        """The same as a fault, where nothing may be assumed."""
        told = f"a warning, and so a fault where warnings are: {self.assumed}"
        return Problem(self.file, self.document, self.line, self.path, self.found, told)


def _spell_place(finding: Problem | Assumption) -> str:
    place = f"{finding.file}:{finding.line}, document {finding.document}"
    return f"{place}, {finding.path}" if finding.path else place


class InvalidDeclarationError(InvalidInputError):
    """The declarations hold faults; none of them was applied."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
        lines = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"{count} in the declarations, nothing was applied:\n{lines}")
        self.problems = tuple(problems)


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
        case int() if value.bit_length() > _SHOWN_CHARACTERS * 4:
            # Python refuses to spell some of them.
            text = f"a number of {value.bit_length()} bits"
        case int() | float():
            text = f"the number {value}"
        case _:
            text = f"{value} (YAML reads it as a {type(value).__name__})"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def is_near(name: object, names: Iterable[str]) -> bool:
    """Whether it is probably one of these names, misspelt."""
    return bool(difflib.get_close_matches(str(name), list(names), n=1))


def list_allowed(names: Iterable[str], wrong: object = None) -> str:
    """The allowed names, the one that was probably meant first.

    >>> list_allowed(["target", "targetPercent"], "tarjet")
    "did you mean 'target'? Allowed: target, targetPercent"
    """
    names = sorted(names)
    near = difflib.get_close_matches(str(wrong), names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}{'Allowed' if guess else 'allowed'}: {', '.join(names) or 'none'}"
