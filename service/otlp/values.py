"""Reading attributes that anybody may have written: what does not fit is not there."""

import math
from typing import Any

from service.otlp.spans import Attributes, Value

TEXT_CHARACTERS = 262_144
"""The longest text that is kept; what is longer loses its end, and says so."""
DIMENSION_BYTES = 200
"""Dimensions are part of index keys."""
DEEPEST = 32
"""Messages, their parts and the arguments of their tools nest; nothing nests this deep."""
_LARGEST = 1e15
_MOST_TOKENS = 10**9
_UNSTORABLE = dict.fromkeys([0, *range(0xD800, 0xE000)], "\N{REPLACEMENT CHARACTER}")


def cleaned(text: str) -> str:
    """With what PostgreSQL cannot store, NUL and halves of surrogate pairs, visibly replaced.

    >>> cleaned("a" + chr(0) + "b")
    'a\N{REPLACEMENT CHARACTER}b'
    """
    # Most texts hold nothing of the kind, and these two tests are far cheaper than a translation.
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(_UNSTORABLE)
    return text.translate(_UNSTORABLE) if "\x00" in text else text


def find_value(names: tuple[str, ...], *sources: Attributes) -> Value:
    """The first of these names that any of the sources has, names before sources."""
    for name in names:
        for source in sources:
            if (found := source.get(name)) is not None:
                return found
    return None


def find_text(names: tuple[str, ...], *sources: Attributes) -> str | None:
    """The first that is text, and not empty."""
    for name in names:
        for source in sources:
            found = source.get(name)
            if isinstance(found, str) and found:
                return found
            if isinstance(found, int) and not isinstance(found, bool):
                return str(found)  # ids and versions that somebody took for numbers
    return None


def find_number(names: tuple[str, ...], *sources: Attributes) -> float | None:
    """The first that is a number of at least 0, written as a text or not."""
    for name in names:
        for source in sources:
            if (number := number_of(source.get(name))) is not None and number >= 0:
                return number
    return None


def find_count(names: tuple[str, ...], *sources: Attributes) -> int | None:
    """The first that is a whole number of at least 0: tokens."""
    number = find_number(names, *sources)
    return int(number) if number is not None and number <= _MOST_TOKENS else None


def number_of(value: Any) -> float | None:
    """A finite number, or None.

    >>> number_of("0.5"), number_of(float("nan")), number_of(True), number_of("much")
    (0.5, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST else None


def cut_bytes(text: str, limit: int = DIMENSION_BYTES) -> str:
    """As much of it as fits into so many bytes of UTF-8.

    >>> cut_bytes("aé", 2)
    'a'
    """
    encoded = text.encode()
    return text if len(encoded) <= limit else encoded[:limit].decode(errors="ignore")
