"""How long can a regular expression take? Estimated from the pattern, before it meets any text.

Python's `re` backtracks, holds the interpreter's lock while it does, and cannot be interrupted: one
unlucky answer would stop a worker. Patterns come from people who write YAML, texts from models that
sometimes repeat a space ten thousand times. So two rules, both applied when the pattern is read:

1. A repeat within a repeat, or an alternative within a repeat, can take exponential time on any
   text; it is refused.
2. Anything else takes polynomial time: n**(k+1) / (k+1)! steps on n characters with k open repeats,
   one more for the place where the match begins, times the choices of its bounded parts. So many
   characters are read as cost at most `STEPS`, about a quarter of a second.

Refusing alone would still allow `.*.*.*x`, bounding alone `(a+)+b`: hence both. The estimate is an
upper bound; it never runs the pattern.
Source: Davis et al. 2018, "The Impact of Regular Expression Denial of Service in Practice".
"""

import math
import re
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]
from typing import Any

STEPS = 20_000_000
MOST_CHARACTERS = 100_000
FEWEST_CHARACTERS = 250  # a pattern that may read less than this is of no use: it is refused


def readable_characters(pattern: str) -> int:
    """How many characters the pattern may be given. Raises ValueError with what to write instead.

    >>> readable_characters(r"\\[(yes|no)\\]"), readable_characters(r"answer: (.+)")
    (100000, 6324)
    >>> readable_characters(r"(a+)+b")
    Traceback (most recent call last):
    ValueError: a repeat within a repeat can take for ever: write one repeat, e.g. [ab]+
    """
    open_repeats, choices = _cost(parse(pattern), repeated=False)
    depth = open_repeats + 1
    characters = int((STEPS * math.factorial(depth) / choices) ** (1 / depth))
    if characters < FEWEST_CHARACTERS:
        raise ValueError(
            f"its {open_repeats} open repeats can take minutes on a few hundred characters: bound "
            r"them, e.g. \s? or .{1,20} for * and +"
        )
    return min(characters, MOST_CHARACTERS)


def refuse_endless(pattern: str) -> None:
    """Only the first rule: for a pattern whose text nobody can cut."""
    _cost(parse(pattern), repeated=False)


def parse(pattern: str) -> Any:
    """The pattern as the parser of `re` sees it; ValueError where it is none."""
    try:
        return _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from error


def _cost(tokens: Any, *, repeated: bool) -> tuple[int, int]:
    """Open repeats and the product of bounded choices in a parsed pattern."""
    open_repeats, choices = 0, 1
    for operation, argument in tokens:
        inside = repeated
        if str(operation).endswith("REPEAT"):
            fewest, most = int(argument[0]), argument[1]
            width = 0 if most is _parser.MAXREPEAT else int(most) - fewest + 1
            if repeated and width != 1:
                raise ValueError(
                    "a repeat within a repeat can take for ever: write one repeat, e.g. [ab]+"
                )
            open_repeats += width == 0
            choices *= int(most) + 1 if width else 1
            inside = repeated or most is _parser.MAXREPEAT or int(most) > 1
        elif str(operation) == "BRANCH":
            if repeated:
                raise ValueError(
                    "an alternative within a repeat can take for ever: write [ab]+ for (a|b)+"
                )
            choices *= len(argument[1])
        elif str(operation) == "GROUPREF":
            open_repeats += 1  # compared anew, character by character, at every place
        for part in _parts(argument):
            more_repeats, more_choices = _cost(part, repeated=inside)
            open_repeats, choices = open_repeats + more_repeats, choices * more_choices
    return open_repeats, choices


def _parts(argument: Any) -> Iterator[Any]:
    """The patterns within a token: of a group, a repeat, a look-around, an alternative."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, (tuple, list)):
        for part in argument:
            yield from _parts(part)
