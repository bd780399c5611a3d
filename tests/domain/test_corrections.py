from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert_windows import propose_catalogue
from service.domain.corrections import (
    Correction,
    CorrectionScope,
    InvalidCorrectionError,
    check_correction,
    excluded_minutes,
)
from service.domain.indicators import Indicator
from service.domain.slos import Slo

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOW = timedelta(days=28)
SLO = Slo(
    *("answers-correct", "support"),
    Indicator("availability", "answer", "production"),
    0.95,
    WINDOW,
    propose_catalogue(0.95, WINDOW),
)


def a_correction(
    start: datetime = NOON, end: datetime = NOON + HOUR, **scope: str | None
) -> Correction:
    return Correction(
        1, "support", CorrectionScope(**scope), start, end, "maintenance", "Ann", NOON
    )


def minutes_of(*corrections: Correction, slo: Slo = SLO) -> list[tuple[str, str]]:
    excluded = excluded_minutes(corrections, slo, NOON - DAY, NOON + DAY)
    return [(f"{start:%d %H:%M}", f"{end:%d %H:%M}") for start, end in excluded]


def test_corrections_that_touch_become_one_stretch() -> None:
    assert minutes_of(
        a_correction(NOON + HOUR, NOON + 2 * HOUR),
        a_correction(NOON, NOON + HOUR),
        a_correction(NOON + 30 * MINUTE, NOON + 45 * MINUTE),
        a_correction(NOON + 3 * HOUR, NOON + 4 * HOUR),
    ) == [("25 12:00", "25 14:00"), ("25 15:00", "25 16:00")]


def test_every_minute_that_is_touched_is_left_out() -> None:
    second = timedelta(seconds=1)
    touched = a_correction(NOON + 59 * second, NOON + 61 * second)
    assert minutes_of(touched) == [("25 12:00", "25 12:02")]


def test_what_lies_outside_is_cut_off() -> None:
    long = a_correction(NOON - 2 * DAY, NOON - DAY + HOUR)
    assert minutes_of(long, a_correction(NOON + 2 * DAY, NOON + 3 * DAY)) == [
        ("24 12:00", "24 13:00")
    ]


def test_a_revoked_correction_is_as_if_it_had_never_been_there() -> None:
    revoked = replace(a_correction(), revoked_at=NOON, revoked_by="Ben")
    assert minutes_of(revoked) == []


@pytest.mark.parametrize(
    ("scope", "holds"),
    [
        ({}, True),
        ({"environment": "production"}, True),
        ({"environment": "staging"}, False),
        ({"task": "answer", "slo": "answers-correct"}, True),
        ({"task": "summarise"}, False),
        ({"slo": "other"}, False),
    ],
)
def test_a_correction_holds_for_what_its_scope_names(scope: dict[str, str], holds: bool) -> None:
    assert bool(minutes_of(a_correction(**scope))) is holds


def test_a_correction_holds_for_its_own_app_only() -> None:
    assert minutes_of(replace(a_correction(), app="other")) == []


@given(
    spans=st.lists(
        st.tuples(st.integers(-2000, 2000), st.integers(1, 900)), min_size=1, max_size=12
    )
)
def test_the_stretches_hold_exactly_the_minutes_of_the_corrections(
    spans: list[tuple[int, int]],
) -> None:
    corrections = [
        a_correction(NOON + start * MINUTE, NOON + (start + length) * MINUTE)
        for start, length in spans
    ]
    excluded = excluded_minutes(corrections, SLO, NOON - DAY, NOON + DAY)
    held = {
        int((start - NOON) / MINUTE) + minute
        for start, end in excluded
        for minute in range(int((end - start) / MINUTE))
    }
    wanted = {
        minute
        for start, length in spans
        for minute in range(start, start + length)
        if -1440 <= minute < 1440
    }
    assert held == wanted
    assert all(one[1] < other[0] for one, other in pairwise(excluded))


@pytest.mark.parametrize(
    ("start", "end", "reason", "why"),
    [
        (NOON, NOON, "maintenance", "ends after it starts"),
        (NOON, NOON + 8 * DAY, "maintenance", "needs several"),
        (NOON - 400 * DAY, NOON - 399 * DAY, "maintenance", "within 366 days"),
        (NOON + 400 * DAY, NOON + 401 * DAY, "maintenance", "within 366 days"),
        (NOON, NOON + HOUR, "  ", "has a reason"),
    ],
)
def test_a_correction_has_an_end_a_reason_and_a_place_in_time(
    start: datetime, end: datetime, reason: str, why: str
) -> None:
    with pytest.raises(InvalidCorrectionError, match=why):
        check_correction(start, end, reason, now=NOON)


def test_a_correction_can_be_planned_ahead() -> None:
    check_correction(NOON + 30 * DAY, NOON + 37 * DAY, "move", now=NOON)
    assert minutes_of(a_correction(NOON + HOUR, NOON + 2 * HOUR))
