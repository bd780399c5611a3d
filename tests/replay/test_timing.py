from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.replay.errors import ReplayUsageError
from service.replay.timing import Spread, TimeColumn, check_format, parse_bound, read_time

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-30d", NOW - timedelta(days=30)),
        ("-2w", NOW - timedelta(weeks=2)),
        ("+90m", NOW + timedelta(minutes=90)),
        ("-45s", NOW - timedelta(seconds=45)),
        ("2026-11-01T00:00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T01:00:00+01:00", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_an_end_of_the_span_is_absolute_or_relative(text: str, expected: datetime) -> None:
    assert parse_bound(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "30d", "-30", "yesterday", "-999999999w", "2026-13-01"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReplayUsageError, match="-30d"):
        parse_bound(text, now=NOW)


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2023-07-24T21:00:49Z", None, "2023-07-24T21:00:49+00:00"),
        ("2023-07-24 21:00:49", None, "2023-07-24T21:00:49+00:00"),
        (" 2023-07-24T23:00:49+02:00 ", None, "2023-07-24T21:00:49+00:00"),
        ("20230716", None, "2023-07-16T00:00:00+00:00"),
        (1690232449, None, "2023-07-24T21:00:49+00:00"),
        ("1690232449", None, "2023-07-24T21:00:49+00:00"),
        ("1690232449.5", None, "2023-07-24T21:00:49.500000+00:00"),
        ("1612121212123", None, "2021-01-31T19:26:52.123000+00:00"),
        ("07/24/2023, 21:00:49", "%m/%d/%Y, %H:%M:%S", "2023-07-24T21:00:49+00:00"),
        ("24.07.2023 23:00 +0200", "%d.%m.%Y %H:%M %z", "2023-07-24T21:00:00+00:00"),
    ],
)
def test_times_are_read_as_logs_write_them(value: Any, form: str | None, expected: str) -> None:
    read = read_time(value, form)
    assert read is not None
    assert read.isoformat() == expected


@pytest.mark.parametrize(
    "value",
    ["", "soon", "07/24/2023", None, True, [], float("nan"), 1e300, "9" * 400, "0001-01-01T00+23"],
)
def test_what_is_no_time_is_none(value: Any) -> None:
    assert read_time(value) is None
    assert TimeColumn("t").time_of({"t": value}) is None


def test_a_format_that_strptime_does_not_know_is_refused_at_once() -> None:
    check_format("%m/%d/%Y, %H:%M:%S")
    for form in ("%Q", "100%"):
        with pytest.raises(ReplayUsageError, match="--time-format"):
            check_format(form)


@given(st.integers(1, 10**7), st.integers(1, 40 * 86_400), st.data())
def test_spread_calls_lie_in_the_span_in_order(total: int, seconds: int, data: Any) -> None:
    spread = Spread(NOW, NOW + timedelta(seconds=seconds), total)
    index = data.draw(st.integers(0, total - 1))
    assert spread.start <= spread.time_at(index) < spread.end
    assert spread.time_at(index) <= spread.time_at(index + 1)
    even = spread.start + timedelta(seconds=seconds * index / total)
    assert abs(spread.time_at(index) - even) < timedelta(milliseconds=1)
    assert spread.time_at(0) == spread.start
