"""Words as parameters and JSON bodies may hold them: storable, and short where they are keys."""

from typing import Annotated

from pydantic import AfterValidator, Field

DIMENSION_BYTES = 200
"""Dimensions are part of index keys, which PostgreSQL limits to about 2,700 bytes in all."""
TEXT_CHARACTERS = 262_144
"""Of one prompt, response or reference; a longer one is cut, and marked."""


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL characters")
    return value


def _short(value: str) -> str:
    if len(value.encode()) > DIMENSION_BYTES:
        raise ValueError(f"must be at most {DIMENSION_BYTES} bytes long in UTF-8")
    return value


Dimension = Annotated[
    str,
    Field(max_length=DIMENSION_BYTES),
    AfterValidator(_storable),
    AfterValidator(_short),
]
Name = Annotated[Dimension, Field(min_length=1)]
Text = Annotated[str, Field(max_length=TEXT_CHARACTERS), AfterValidator(_storable)]
