"""Masks: take what must not leave out of texts, before they leave.

`mask=` of the client takes one callable from text to text, or several, which are applied in
order. The ones here are for common kinds of personal and secret values; `COMMON` is all of them.
They run on the sender's thread, in time linear in the text, whatever it holds. A pattern knows
forms, not meanings: names and addresses need a mask of the app's own.

>>> EMAIL("Write to jane.doe@example.com, please")
'Write to [email], please'
>>> CARD("4111 1111 1111 1111, not 4111 1111 1111 1112")
'[card], not 4111 1111 1111 1112'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Callable

from watchkeeper import digits
from watchkeeper.deferred import Deferred

Mask = Callable[[str], str]
"""From a text to what may leave of it."""


class PatternMask:
    """Replaces what a pattern finds by a mark; or by what `replaced` makes of it."""

    def __init__(
        self, name: str, pattern: str, mark: str | Callable[[str], str], needs: str = ""
    ) -> None:
        self._name = name
        self._pattern = re.compile(pattern)
        self._replacement = mark if isinstance(mark, str) else lambda found: mark(found[0])
        self._needs = needs  # without it there is nothing to be found

    def __repr__(self) -> str:
        return f"masks.{self._name}"

    def __call__(self, text: str) -> str:
        return self._pattern.sub(self._replacement, text) if self._needs in text else text


# Why these are linear: no two neighbouring parts of a pattern match the same character, and where
# a failure costs the length of a run of characters, a lookbehind lets the run be entered once.
EMAIL = PatternMask("EMAIL", r"(?<![\w.%+-])[\w.%+-]+@(?:[\w-]+\.)+[\w-]{2,}", "[email]", "@")
CARD = PatternMask("CARD", r"(?<!\d)(?<!\d\.)\d(?:[ -]?\d){12,}", digits.without_cards)
PHONE = PatternMask(
    "PHONE",
    r"(?<![\w+])(?<!\d[.,-])(?:\+ ?)?\(?\d(?:[ ./()-]{0,3}\d){6,}(?!\w)",
    digits.without_phone,
)
IBAN = PatternMask(
    "IBAN",
    r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
    digits.without_iban,
)
_KEY_FORMS = (
    r"sk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic and those who follow them
    r"wk_[A-Za-z0-9_-]{16,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"gh[a-z]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}",
    r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
    r"xox[a-z]-[A-Za-z0-9-]{16,}",
    r"AIza[A-Za-z0-9_-]{30,}|hf_[A-Za-z0-9]{16,}",
    r"[Bb]earer {1,3}[A-Za-z0-9._~+/=-]{16,}",
)
_PRIVATE_KEY = (  # to its end mark, or to the end of what there is of it
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]*(?:-{1,4}[^-]+)*"
    r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_WEB_TOKEN = r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # noqa: S105
KEYS = PatternMask(
    "KEYS", f"{_PRIVATE_KEY}|{_WEB_TOKEN}|(?<![A-Za-z0-9])(?:{'|'.join(_KEY_FORMS)})", "[key]"
)
COMMON: tuple[Mask, ...] = (KEYS, EMAIL, IBAN, CARD, PHONE)
"""All of the above, in an order in which none hides what another looks for."""


def as_masks(mask: object) -> tuple[Mask, ...]:
    """What `mask=` was given, as a tuple. Raises ValueError where that is no mask."""
    if mask is None:
        return ()
    several = (mask,) if callable(mask) else mask
    if not isinstance(several, Sequence) or not all(callable(one) for one in several):
        raise ValueError("mask must be a callable from text to text, or a sequence of such")
    return tuple(several)


def masked(value: object, masks: Sequence[Mask]) -> object:
    """`value` as it may leave. In lists and dicts each text by itself, before they are JSON: there
    a line break is a letter, and a mask would see `\\njoe@example.com`.

    Raises what a mask raises, and TypeError where one returns no text.
    """
    if isinstance(value, Deferred):
        value = value.plain()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {_text(key, masks): masked(item, masks) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [masked(item, masks) for item in value]
    if isinstance(value, (int, float)):
        text = _text(str(value), masks)
        return value if text == str(value) else text  # a card number may be a number
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("utf-8", "replace")
    return _text(value, masks)


def _text(value: object, masks: Sequence[Mask]) -> str:
    text = str.__str__(value) if isinstance(value, str) else str(value)
    for mask in masks:
        text = mask(text)
        if not isinstance(text, str):
            raise TypeError("a mask must return a text")
    return text
