from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.iso_weeks import WEEK, InvalidWeekError, IsoWeek

moments = st.timedeltas(timedelta(0), timedelta(days=365 * 8000)).map(
    lambda age: datetime(1970, 1, 8, tzinfo=UTC) + age
)


@given(at=moments)
def test_every_moment_is_in_its_week_which_reads_back(at: datetime) -> None:
    week = IsoWeek.containing(at)
    assert week.starts_at <= at < week.starts_at + WEEK
    assert week.starts_at.isoweekday() == 1
    assert IsoWeek.parse(str(week)) == week


@given(at=moments)
def test_weeks_follow_one_another_without_gap(at: datetime) -> None:
    week = IsoWeek.containing(at)
    assert week.next.starts_at - week.starts_at == WEEK
    assert week.next.previous == week
    assert week.previous < week < week.next


@given(text=st.text(max_size=12))
def test_any_text_is_a_week_or_is_refused(text: str) -> None:
    try:
        week = IsoWeek.parse(text)
    except InvalidWeekError:
        return
    assert str(week) == text


@given(year=st.integers(1970, 9998), number=st.integers(0, 99))
def test_a_week_exists_where_the_calendar_has_it(year: int, number: int) -> None:
    # ISO 8601: the 28th of December is always in the last week of its year.
    last = datetime(year, 12, 28, tzinfo=UTC).isocalendar().week
    text = f"{year}-W{number:02}"
    if 1 <= number <= last:
        assert IsoWeek.parse(text).starts_at.isocalendar()[:2] == (year, number)
    else:
        with pytest.raises(InvalidWeekError):
            IsoWeek.parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-W60", "has no week 60"),
        ("2025-W53", "has no week 53"),
        ("2026-W00", "has no week 0"),
        ("2026-47", "written like 2026-W47"),
        ("2026-W7", "written like 2026-W47"),
        ("２０２６-W47", "written like 2026-W47"),
        (" 2026-W47", "written like 2026-W47"),
        ("2026-W47\n", "written like 2026-W47"),
        ("0001-W01", "from 1970-W01 on"),
        ("", "written like 2026-W47"),
    ],
)
def test_what_is_no_week_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(InvalidWeekError, match=says):
        IsoWeek.parse(text)


def test_a_week_begins_in_utc_wherever_the_clock_is() -> None:
    monday_in_tokyo = datetime(2026, 11, 23, 8, 59, tzinfo=timezone(timedelta(hours=9)))
    assert str(IsoWeek.containing(monday_in_tokyo)) == "2026-W47"


def test_a_week_that_is_not_over_ends_now() -> None:
    week = IsoWeek.parse("2026-W47")
    now = week.starts_at + timedelta(days=2)
    assert week.until(now).ends_at == now
    assert week.until(now + 2 * WEEK).length == WEEK


@pytest.mark.parametrize("text", ["2026-W48", "9999-W52"])
def test_a_week_that_has_not_begun_is_refused(text: str) -> None:
    now = IsoWeek.parse("2026-W48").starts_at
    with pytest.raises(InvalidWeekError, match="has not begun; the current one is 2026-W48"):
        IsoWeek.parse(text).until(now)
