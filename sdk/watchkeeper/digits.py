"""Numbers that name a person or an account: card, bank account, telephone."""

from __future__ import annotations

import re
from itertools import accumulate

# What is written for a space or a hyphen: by typographers, by models, and by who would hide
SPACES = "\u00a0\u2007\u2009\u200b\u202f\u2060"
HYPHENS = "\u2010\u2011\u2012\u2013"
_SPACES = {ord(space): " " for space in SPACES}
_CARD_LENGTHS = range(19, 12, -1)
_CARD_BEGINNINGS = (2, 3, 4, 5, 6)  # of the card networks; none begins otherwise
_GROUP = re.compile(r"\d+")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # twice a digit, its own digits added up
_DAY = r"(?:\d{4}[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./]\d{4})\b"
_DATE = re.compile(_DAY)
# Where one number ends and another begins, for sure and perhaps
_BETWEEN_NUMBERS = (
    re.compile(rf"( ?(?<!\d){_DAY} ?| [/-] | {{2,3}}| (?=\())"),
    re.compile(r"( )"),
)
_ADDRESS_OF_A_HOST = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_DECIMAL = re.compile(r"\d+\.\d+")


def passes_luhn(number: str) -> bool:
    """The check digit of cards (ISO/IEC 7812-1, annex B).

    >>> passes_luhn("4111111111111111"), passes_luhn("4111111111111112")
    (True, False)
    """
    values = [int(digit) for digit in reversed(number)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def without_cards(found: str, mark: str = "[card]") -> str:
    """Marks each run of whole groups of digits that is a card number.

    >>> without_cards("4111-1111-1111-1111 123")
    '[card] 123'
    """
    groups = [(match.start(), match.end()) for match in _GROUP.finditer(found)]
    numbers = [int(digit) for begin, end in groups for digit in found[begin:end]]
    # Sums over the digits before each place, of the digits as they are and doubled, by the parity
    # of their place: so any run of digits is checked with two subtractions
    sums = _luhn_sums(numbers)
    ends = dict(zip(accumulate(end - begin for begin, end in groups), groups))
    kept, written, place, skip_to = [], 0, 0, 0
    for begin, end in groups:
        if place >= skip_to and numbers[place] in _CARD_BEGINNINGS:
            length = next((n for n in _CARD_LENGTHS if _is_card(sums, ends, place, n)), 0)
            if length:
                kept += [found[written:begin], mark]
                written = ends[place + length][1]
                skip_to = place + length
        place += end - begin
    return "".join([*kept, found[written:]])


def _luhn_sums(numbers: list[int]) -> tuple[list[int], list[int]]:
    """At index p, over the digits before place p: doubled where their place is even; where odd."""
    even = [n if place % 2 else _DOUBLED[n] for place, n in enumerate(numbers)]
    odd = [_DOUBLED[n] if place % 2 else n for place, n in enumerate(numbers)]
    return [0, *accumulate(even)], [0, *accumulate(odd)]


def _is_card(
    sums: tuple[list[int], list[int]], ends: dict[int, tuple[int, int]], place: int, length: int
) -> bool:
    if place + length not in ends:
        return False
    doubled = sums[(place + length) % 2]  # the last digit is never doubled
    return (doubled[place + length] - doubled[place]) % 10 == 0


def without_iban(found: str, mark: str = "[iban]") -> str:
    """The longest beginning of whole groups that passes the check (ISO 13616: modulo 97 is 1).

    >>> without_iban("DE89 3704 0044 0532 0130 00"), without_iban("DE88 3704 0044 0532 0130 00")
    ('[iban]', 'DE88 3704 0044 0532 0130 00')
    """
    candidate = found.translate(_SPACES)
    while len(candidate) >= 15:
        compact = candidate.replace(" ", "")
        rotated = compact[4:] + compact[:4]
        if int("".join(str(int(character, 36)) for character in rotated)) % 97 == 1:
            return mark + found[len(candidate) :]
        candidate = candidate.rpartition(" ")[0]
    return found


def without_phone(found: str, mark: str = "[phone]") -> str:
    """A number to call has 8 to 15 digits (ITU-T E.164) and a form of its own: an international
    or trunk prefix, or groups. Dates, decimals and addresses of hosts are none.

    >>> without_phone("+49 30 1234567"), without_phone("2026-11-23 1200"), without_phone("1234567")
    ('[phone]', '2026-11-23 1200', '1234567')
    """
    if _is_phone(found):
        return mark
    for between in _BETWEEN_NUMBERS:  # several numbers, or one beside a date
        parts = between.split(found)
        marked = [mark if _is_phone(part) else part for part in parts]
        if marked != parts:
            return "".join(marked)
    return found


def _is_phone(found: str) -> bool:
    number = sum(character.isdigit() for character in found)
    if found.startswith("+"):
        return 8 <= number <= 15
    if not 9 <= number <= (17 if found.startswith("00") else 15):
        return False
    if _DATE.match(found) or _ADDRESS_OF_A_HOST.match(found) or _DECIMAL.fullmatch(found):
        return False
    is_grouped = number < len(found)
    return is_grouped or found.startswith("0")
