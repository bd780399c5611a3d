"""YAML files on disk, as the texts that declarations are parsed from."""

from pathlib import Path

from service.errors import InvalidInputError


class NoDocumentsError(InvalidInputError):
    """There is nothing to apply."""


class UnreadableDocumentError(InvalidInputError):
    """A file cannot be read."""


def read_documents(path: Path) -> list[tuple[str, str]]:
    """Every YAML file there, as (name, text), in the order of their names."""
    files = [path] if path.is_file() else sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")])
    if not files:
        raise NoDocumentsError(f"There is no .yaml or .yml file in {path}")
    return [(str(file), _read(file)) for file in files]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UnreadableDocumentError(f"{file} is not UTF-8") from None
    except OSError as error:
        raise UnreadableDocumentError(f"{file}: {error.strerror}") from None
