"""Durations as OpenSLO writes them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.specs.durations import parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "hours"), [("30m", 0.5), ("6h", 6), ("28d", 672), ("1w", 168), ("144m", 2.4)]
)
def test_a_number_and_a_unit_are_a_duration(text: str, hours: float) -> None:
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "28", "d", "0d", "-1d", "1.5h", "1M", "28 d", "2h24m", "١d"])
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: a whole number and m, h, d or w"):
        parse_duration(text)


@given(st.integers(1, 600_000))
def test_what_is_written_is_read_back(minutes: int) -> None:
    duration = timedelta(minutes=minutes)
    assert parse_duration(write_duration(duration)) == duration


def test_parts_of_a_minute_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="not a whole number of minutes"):
        write_duration(timedelta(seconds=90))
