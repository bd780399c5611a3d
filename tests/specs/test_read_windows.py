"""Time windows, calendars and time slices."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.domain.budget_windows import Calendar
from service.domain.slos import Budgeting, Slo
from tests.specs.written import an_slo, faults, read, warnings


def slo_with(**changes: Any) -> Slo:
    return read(an_slo(**changes), strict=True).slos[0].slo


def calendar(duration: str, start: Any = "2026-01-01 00:00:00", zone: str = "UTC") -> Any:
    aligned = {"startTime": start, "timeZone": zone}
    return [{"duration": duration, "isRolling": False, "calendar": aligned}]


@pytest.mark.parametrize(
    ("duration", "unit", "count", "days"),
    [
        ("1M", "month", 1, 30),
        ("1Q", "quarter", 1, 91),
        ("1Y", "year", 1, 365),
        ("2M", "month", 2, 60),
    ],
)
def test_a_calendar_is_read(duration: str, unit: Any, count: int, days: int) -> None:
    slo = slo_with(
        timeWindow=calendar(duration, zone="Europe/Vienna"), objectives=[{"target": 0.999}]
    )
    since = datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert slo.calendar == Calendar(unit, count, "Europe/Vienna", since)
    assert slo.window == timedelta(days=days)


@pytest.mark.parametrize("start", [datetime(2026, 1, 5), "2026-01-05 00:00:00", "2026-01-05"])  # noqa: DTZ001
def test_a_start_may_be_a_time_or_text(start: Any) -> None:
    slo = slo_with(timeWindow=calendar("1w", start))
    assert slo.calendar == Calendar("week", 1, "UTC", datetime(2026, 1, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (calendar("1m"), "duration: found '1m'; allowed: a whole number and d, w, M, Q or Y"),
        (calendar("9999Y"), "the window is at most ten years"),
        (calendar("1M", zone="Europe/Wien"), "timeZone: found 'Europe/Wien'; allowed: a name of"),
        (calendar("1M", zone="Europe"), "timeZone: found 'Europe'; allowed: a name of"),
        (calendar("1M", zone="../../etc/passwd"), "allowed: a name of the IANA time zone"),
        (calendar("1M", "soon"), "startTime: found 'soon'; allowed: a date and time of 1970"),
        (calendar("1M", "0001-01-01 00:00:00"), "allowed: a date and time of 1970"),
        (calendar("1M", 7), "startTime: found the number 7; allowed: a date"),
        ([{"duration": "1M", "isRolling": False}], "calendar: found nothing; this field is req"),
        ([{**calendar("1M")[0], "isRolling": True}], "isRolling: found true; allowed: isRolling:"),
        ([{"duration": "23h", "isRolling": True}], "the window is at least 1 d: found 23 h"),
        ([{"duration": "9999999w", "isRolling": True}], "the window is at most ten years"),
        (calendar("1d") * 2, "timeWindow: found a list of 2; allowed: at most 1"),
    ],
)
def test_a_window_that_cannot_be_is_refused(window: Any, told: str) -> None:
    (fault,) = faults(an_slo(timeWindow=window))
    assert told in fault


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (None, "spec.timeWindow: assumed: 28 d, rolling"),
        (
            [{"duration": "28d"}],
            "spec.timeWindow[0].isRolling: assumed: true; there is no calendar",
        ),
        ([{"duration": "1M", "isRolling": True}], "spec.timeWindow[0].duration: assumed: 30 d;"),
        (calendar("1M", "2026-01-21 12:30:00"), "assumed: periods begin at midnight, on the first"),
        (calendar("1w", "2026-01-01 00:00:00"), "assumed: periods begin at midnight, on Mondays"),
        (calendar("1d", "2026-01-01 12:00:00"), "assumed: periods begin at midnight; the start"),
        (calendar("1M", "2026-01-01T00:00:00+00:00"), "assumed: this instant"),
    ],
)
def test_what_is_assumed_of_a_window_is_told(window: Any, told: str) -> None:
    (warning,) = warnings(an_slo(timeWindow=window))
    assert told in warning


def sliced(method: str = "Timeslices", **objective: Any) -> dict[str, Any]:
    return an_slo(budgetingMethod=method, objectives=[{"target": 0.99, **objective}])


@pytest.mark.parametrize("length", ["5m", 5])
def test_time_slices_are_read(length: Any) -> None:
    five = timedelta(minutes=5)
    found = read(sliced(timeSliceTarget=0.9, timeSliceWindow=length)).slos[0].slo
    assert found.budgeting == Budgeting("timeslices", five, 0.9)
    found = read(sliced("RatioTimeslices", timeSliceWindow=length)).slos[0].slo
    assert found.budgeting == Budgeting("ratio_timeslices", five)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (sliced(timeSliceWindow="5m"), "timeSliceTarget: found nothing; this field is required"),
        (sliced(timeSliceTarget=0.9), "timeSliceWindow: found nothing; this field is required"),
        (sliced("RatioTimeslices"), "timeSliceWindow: found nothing; this field is required"),
        (sliced(timeSliceTarget=0.9, timeSliceWindow="90s"), "allowed: whole minutes, like 1m"),
        (sliced(timeSliceTarget=0.9, timeSliceWindow=-1), "allowed: whole minutes, like 1m"),
        (sliced(timeSliceTarget=0.9, timeSliceWindow="1h"), "no longer than the shortest alert"),
        (sliced(timeSliceTarget=0, timeSliceWindow="5m"), "timeSliceTarget: found the number 0"),
    ],
)
def test_slices_that_cannot_be_are_refused(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(document)
    assert told in fault


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (sliced("Occurrences", timeSliceTarget=0.9), "timeSliceTarget"),
        (sliced("Occurrences", timeSliceWindow="5m"), "timeSliceWindow"),
        (sliced("RatioTimeslices", timeSliceWindow="5m", timeSliceTarget=0.9), "timeSliceTarget"),
    ],
)
def test_what_a_method_has_no_use_for_is_told(document: dict[str, Any], path: str) -> None:
    (warning,) = warnings(document)
    assert warning.startswith(f"spec.objectives[0].{path}: assumed: nothing; budgetingMethod")
