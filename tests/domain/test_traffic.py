"""What was to be expected of a stream, by the week before or by its own mean rate."""

from datetime import UTC, datetime, timedelta

import pytest

from service.domain.time_slices import cut_window
from service.domain.traffic import HourCounts, Lifetime, Slices, Traffic

NOW = datetime(2026, 11, 25, 12, 0, 25, tzinfo=UTC)
SINCE = datetime(2026, 11, 15, 8, tzinfo=UTC)
UNTIL = datetime(2026, 11, 25, 13, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL_MINUTES = (1 << 60) - 1
HOURS = (UNTIL - SINCE) // HOUR
OLD = Lifetime(SINCE - 20 * DAY, NOW.replace(hour=0))


def steady(per_hour: float, *, without: range = range(0), lifetime: Lifetime = OLD) -> Traffic:
    """A stream with calls in every minute, but for some hours (counted from `SINCE`)."""
    numbers = [number for number in range(HOURS - 1) if number not in without]
    counts = HourCounts(numbers, [per_hour] * len(numbers), [ALL_MINUTES] * len(numbers))
    return Traffic(SINCE, UNTIL, counts, lifetime)


def covered(traffic: Traffic, *lengths: timedelta, **options: object) -> list[tuple[int, int]]:
    slices = Slices.of([cut_window(length, now=NOW) for length in lengths])
    return traffic.coverage(slices, **options)  # type: ignore[arg-type]


def test_a_steady_stream_is_seen_in_all_slices_of_every_window() -> None:
    assert covered(steady(6_000), HOUR, DAY) == [(11, 11), (11, 11)]


def test_an_hour_without_calls_is_a_gap_where_the_week_before_had_some() -> None:
    gap = range(HOURS - 4, HOURS - 2)
    assert covered(steady(6_000, without=gap), timedelta(hours=6)) == [(8, 11)]
    quiet_last_week = range(HOURS - 4 - 168, HOURS - 2 - 168)
    both = [*gap, *quiet_last_week]
    numbers = [number for number in range(HOURS - 1) if number not in both]
    counts = HourCounts(numbers, [6_000.0] * len(numbers), [ALL_MINUTES] * len(numbers))
    assert covered(Traffic(SINCE, UNTIL, counts, OLD), timedelta(hours=6)) == [(8, 8)]


def test_nothing_is_expected_where_seven_calls_are_not() -> None:
    assert covered(steady(6.0), HOUR) == [(0, 0)]


def test_nothing_is_expected_of_what_is_excluded() -> None:
    traffic = steady(6_000, without=range(HOURS - 4, HOURS - 2))
    gap = SINCE + (HOURS - 4) * HOUR, SINCE + (HOURS - 2) * HOUR
    ((observed, expected),) = covered(traffic, timedelta(hours=6), excluded=[gap])
    assert observed == expected == 6


def test_silence_is_measured_by_the_week_before_and_not_where_it_is_excluded() -> None:
    traffic = steady(600, without=range(HOURS - 3, HOURS))
    assert traffic.newest_at == SINCE + (HOURS - 3) * HOUR - timedelta(minutes=1)
    now = SINCE + (HOURS - 1) * HOUR
    assert traffic.missed(now) == pytest.approx(1_200)
    half = SINCE + (HOURS - 3) * HOUR, SINCE + (HOURS - 2) * HOUR
    assert traffic.missed(now, [half]) == pytest.approx(600)


def test_a_young_stream_is_expected_at_its_own_rate() -> None:
    born = range(HOURS - 24)
    traffic = steady(600, without=born, lifetime=Lifetime(NOW - DAY, NOW))
    assert traffic.first_at == SINCE + (HOURS - 24) * HOUR
    assert covered(traffic, HOUR) == [(11, 11)]
    assert covered(traffic, 3 * DAY) == [(3, 3)]


def test_a_stream_that_ended_before_what_is_looked_at_is_known_by_its_last_day() -> None:
    ended = Traffic(SINCE, UNTIL, HourCounts(), Lifetime(NOW - 30 * DAY, NOW - 20 * DAY))
    assert ended.newest_at is not None
    assert ended.newest_at < SINCE
    assert Traffic(SINCE, UNTIL, HourCounts(), Lifetime(None, None)).newest_at is None
