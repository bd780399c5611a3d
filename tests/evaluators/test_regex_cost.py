import re
import time

import pytest

from evaluators.regex_cost import FEWEST_CHARACTERS, readable_characters


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(aa|b)*c",
        "(?:x?)*",
        "((?:a{1,9}){1,9})",
        "(?=(a*)*)b",
        "(a(bb|c){2})",
        "(?>(?:a*)*)",
    ],
)
def test_a_pattern_that_may_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="within a repeat"):
        readable_characters(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\[(yes|no)\]",
        r"answer: (.+)",
        r"(?i)(\d{1,3}(?:,\d{3})*)",
        r"answer:\s?(.+?)\s*$",
        r"#### (\S+)",
    ],
)
def test_a_pattern_of_every_day_is_allowed(pattern: str) -> None:
    assert readable_characters(pattern) >= FEWEST_CHARACTERS


@pytest.mark.parametrize(
    ("pattern", "hostile"),
    [
        (r"\s*x", " "),
        (r"(\w+)\d", "a"),
        (r"a*(a+)b", "a"),
        (r"(a+)\1b", "a"),
        (r"(a?a?a?a?a*)b", "a"),
    ],
)
def test_the_worst_text_of_the_allowed_length_is_read_in_seconds(
    pattern: str, hostile: str
) -> None:
    text = hostile * readable_characters(pattern)
    started = time.perf_counter()
    assert re.search(pattern, text) is None
    assert time.perf_counter() - started < 5
