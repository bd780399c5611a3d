"""OpenSLO objects that stand in documents of their own, found by the names that SLOs give."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.specs.documents import Document, Findings
from service.specs.openslo_shapes import ObjectDocument
from service.specs.problems import Path, list_allowed
from service.specs.shapes import Shape

Body = TypeVar("Body", bound=Shape, covariant=True)
Wanted = TypeVar("Wanted", bound=Shape)


@dataclass(frozen=True, slots=True)
class Placed(Generic[Body]):
    """A part of a document, and where it stands."""

    document: Document
    path: Path
    body: Body

    def below(self, *path: str | int) -> Path:
        """A path inside of it."""
        return (*self.path, *path)


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a set of documents; `broken` hold faults, so nothing more is told of them."""

    found: dict[tuple[str, str], Placed[Shape]] = field(default_factory=dict)
    broken: frozenset[tuple[str, str]] = frozenset()
    is_torn: bool = False

    def names(self, kind: str) -> list[str]:
        """Which objects of a kind there are."""
        return sorted(name for each, name in self.found if each == kind)

    def misses(self, kind: str, name: str) -> bool:
        """Whether a reference to it is a fault."""
        return not (self.is_torn or (kind, name) in self.found or (kind, name) in self.broken)

    def resolve(
        self, kind: str, name: str, wanted: type[Wanted], at: tuple[Document, Path], to: Findings
    ) -> Placed[Wanted] | None:
        """The object of that name; a reference to one that nobody declares is noted."""
        placed = self.found.get((kind, name))
        if placed is not None and isinstance(placed.body, wanted):
            return Placed(placed.document, placed.path, placed.body)
        if self.misses(kind, name):
            told = f"{list_allowed(self.names(kind), name)}; {kind}s stand in the same documents"
            to.refuse(*at, told, f"no {kind} named {name!r}")
        return None


def collect_objects(
    checked: Iterable[tuple[Document, ObjectDocument]],
    broken: Iterable[Document],
    is_torn: bool,
    findings: Findings,
) -> Objects:
    """All of them, by kind and name."""
    found: dict[tuple[str, str], Placed[Shape]] = {}
    for document, shape in checked:
        key = shape.kind, shape.metadata.name
        if key in found:
            first = found[key].document
            allowed = f"it is declared before, in {first.file}, document {first.number}"
            named = f"a second {shape.kind} {shape.metadata.name!r}"
            findings.refuse(document, ("metadata", "name"), allowed, named)
            continue
        found[key] = Placed(document, ("spec",), shape.spec)
    return Objects(found, frozenset(_names_of(broken)), is_torn)


def _names_of(broken: Iterable[Document]) -> Iterable[tuple[str, str]]:
    for document in broken:
        match document.content:
            case {"kind": str(kind), "metadata": {"name": str(name)}}:
                yield kind, name
