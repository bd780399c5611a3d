"""YAML that guesses nothing: a key given twice is an error, and every error has its line."""

from collections.abc import Iterator
from typing import Any

import yaml


class _StrictLoader(yaml.SafeLoader):
    """A key that is given twice is an error; YAML would silently take the last."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # a day like 2026-99-99, a number too long
            raise yaml.constructor.ConstructorError(
                None, None, str(error), node.start_mark
            ) from None

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

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what `<<` names, each key once: merges of merges would grow without end."""
        super().flatten_mapping(node)
        node.value = list({_identify(key): (key, value) for key, value in node.value}.values())


def _identify(key: yaml.Node) -> object:
    return (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)


def load_all(text: str) -> Iterator[tuple[yaml.Node, Any]]:
    """Every document of the text: its nodes, which know their lines, and its value."""
    loader = _StrictLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # noqa: S101 - check_node found one
            yield node, loader.construct_document(node)
    finally:
        loader.dispose()


def describe(error: yaml.YAMLError, text: str) -> tuple[str, int]:
    """What is wrong with the YAML, and in which line."""
    if isinstance(error, yaml.reader.ReaderError):
        reason = f"the character {chr(error.character)!r}, which YAML does not allow"
        return reason, text.count("\n", 0, error.position) + 1
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or " ".join(str(error).split())
    if not mark:
        return str(what), 1
    return f"{what} (line {mark.line + 1}, column {mark.column + 1})", mark.line + 1
