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

from watchkeeper import digits, repair
from watchkeeper.deferred import Deferred

_MARGIN = 10_000  # characters; keys and the like are shorter
_LONGEST = repair.TEXT_LIMIT + _MARGIN

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
# Why they are quick: each begins with what is seldom found, and only then looks behind it.
_SPACE = f"[ {digits.SPACES}]"
_GAP = f"[ {digits.SPACES}{digits.HYPHENS}-]"
_GAPS = f"[ ./(){digits.SPACES}{digits.HYPHENS}-]"


def _first(beginning: str, follows_no: str = "[A-Za-z0-9]") -> str:
    """`beginning`, of a fixed length, where no word goes on. In texts of JSON or of addresses a
    line break or a space is letters and digits: \\n, \\u0020, %20."""
    escaped = (r"\\[bfnrt]", r"\\u[0-9A-Fa-f]{4}", r"%[0-9A-Fa-f]{2}")
    after_escaped = "|".join(f"(?<={one}{beginning})" for one in escaped)
    return f"{beginning}(?:(?<!{follows_no}{beginning})|{after_escaped})"


EMAIL = PatternMask("EMAIL", r"(?<![\w.%+-])[\w.%+-]+@(?:[\w-]+\.)+[\w-]{2,}", "[email]", "@")
CARD = PatternMask("CARD", rf"\d(?<!\d\d)(?<!\d\.\d)(?:{_GAP}?\d){{12,}}", digits.without_cards)
PHONE = PatternMask(
    "PHONE",
    _first(r"[+(\d]", r"[\w+]")
    + r"(?<!\d[.,-][+(\d])(?:(?<=\d)|(?<=\()\d|(?<=\+) ?\(?\d)"
    + rf"(?:{_GAPS}{{0,3}}\d){{6,}}(?!\w)",
    digits.without_phone,
)
IBAN = PatternMask(
    "IBAN",
    rf"(?i){_first('[A-Z][A-Z][0-9][0-9]')}(?:{_SPACE}?[A-Z0-9]{{4}}){{2,7}}"
    rf"(?:{_SPACE}?[A-Z0-9]{{1,3}})?(?![A-Z0-9])",
    digits.without_iban,
)
_KEY_FORMS = (  # how it begins, and what follows
    ("sk-", r"[A-Za-z0-9_-]{16,}"),  # OpenAI, Anthropic and those who follow them
    ("wk_", r"[A-Za-z0-9_-]{16,}"),
    ("AKIA", r"[A-Z0-9]{16}"),
    ("ASIA", r"[A-Z0-9]{16}"),
    ("gh[a-z]_", r"[A-Za-z0-9]{16,}"),
    ("github_pat_", r"[A-Za-z0-9_]{16,}"),
    ("glpat-", r"[A-Za-z0-9_-]{16,}"),
    ("[spr]k_live_", r"[A-Za-z0-9]{16,}"),
    ("[spr]k_test_", r"[A-Za-z0-9]{16,}"),
    ("xox[a-z]-", r"[A-Za-z0-9-]{16,}"),
    ("AIza", r"[A-Za-z0-9_-]{30,}"),
    ("hf_", r"[A-Za-z0-9]{16,}"),
    ("[Bb]earer ", r" {0,2}[A-Za-z0-9._~+/=-]{16,}"),
)
_PRIVATE_KEY = (  # to its end mark, or to the end of what there is of it
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]*(?:-{1,4}[^-]+)*"
    r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_WEB_TOKEN = _first("eyJ", r"[\w-]") + r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
KEYS = PatternMask(
    "KEYS",
    "|".join([_PRIVATE_KEY, _WEB_TOKEN, *(_first(head) + rest for head, rest in _KEY_FORMS)]),
    "[key]",
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


def masked_or_none(value: object, masks: Sequence[Mask], field: str, repairs: list[str]) -> object:
    """None where a mask fails: better no text than one that was not masked."""
    if not masks:
        return value
    try:
        return masked(value, masks)
    except Exception:  # a mask is code of the app
        repairs.append(f"mask:{field}")
        return None


def masked_attributes(given: object, masks: Sequence[Mask], repairs: list[str]) -> object:
    """Names too. What a mask fails at is left out."""
    if not masks or not isinstance(given, Mapping):
        return given
    try:
        entries = list(given.items())
    except Exception:  # a mapping of the app's own
        entries = []
        repairs.append("attributes")
    kept: dict[object, object] = {}
    for name, value in entries:
        hidden = masked_or_none(name, masks, "attributes", repairs)
        # Floats are times and shares, whose many digits a mask might take for something else
        if hidden is not None and type(value) is not float:
            kept[hidden] = masked_or_none(value, masks, "attributes", repairs)
        elif hidden is not None:
            kept[hidden] = value
    return kept


def _text(value: object, masks: Sequence[Mask]) -> str:
    text = str.__str__(value) if isinstance(value, str) else str(value)
    length = len(text)
    if length > _LONGEST:  # a pattern holds up the whole interpreter until it is through
        text = text[:_LONGEST]
    for mask in masks:
        text = mask(text)
        if not isinstance(text, str):
            raise TypeError("a mask must return a text")
    if length > _LONGEST:  # at the end there may be half of something, which no mask knew
        text = repair.cut(text[:-_MARGIN], whole=length)
    return text
