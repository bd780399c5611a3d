"""Since when calls count for a budget that follows a calendar."""

from datetime import UTC, datetime

import pytest

from service.domain.budget_windows import Calendar, CalendarUnit, UnknownTimeZoneError, find_zone

NOW = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)  # a Wednesday; Thursday in Vienna
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "count", "zone", "expected"),
    [
        ("day", 1, "UTC", "2026-11-25T00:00:00+00:00"),
        ("day", 1, "Europe/Vienna", "2026-11-26T00:00:00+01:00"),
        ("week", 1, "UTC", "2026-11-23T00:00:00+00:00"),
        ("week", 2, "UTC", "2026-11-16T00:00:00+00:00"),
        ("month", 1, "America/New_York", "2026-11-01T00:00:00-04:00"),
        ("month", 2, "UTC", "2026-11-01T00:00:00+00:00"),
        ("quarter", 1, "UTC", "2026-10-01T00:00:00+00:00"),
        ("year", 1, "UTC", "2026-01-01T00:00:00+00:00"),
    ],
)
def test_a_period_begins_at_midnight_of_its_zone(
    unit: CalendarUnit, count: int, zone: str, expected: str
) -> None:
    since = SINCE.astimezone(find_zone(zone)).replace(day=1, month=1, year=2026, hour=0)
    assert Calendar(unit, count, zone, since).start(NOW).isoformat() == expected


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
def test_a_period_holds_its_own_beginning_and_not_the_minute_before(unit: CalendarUnit) -> None:
    calendar = Calendar(unit, 1, "Europe/Vienna", SINCE)
    start = calendar.start(NOW)
    assert calendar.start(start) == start
    assert calendar.start(datetime.fromtimestamp(start.timestamp() - 60, UTC)) < start


def test_a_zone_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownTimeZoneError, match="no time zone 'Europe/Atlantis'"):
        find_zone("Europe/Atlantis")
