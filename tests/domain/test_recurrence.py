"""When a fault is back, and when a person's word still counts."""

from datetime import timedelta

import pytest

from service.domain.incidents import WATCHKEEPER, resolve
from service.domain.recurrence import REOPENED_WITHIN, is_back
from tests.domain.test_incidents import INCIDENT, NOON, TICKET


@pytest.mark.parametrize(
    ("by", "after", "back"),
    [
        (WATCHKEEPER, REOPENED_WITHIN, True),
        (WATCHKEEPER, REOPENED_WITHIN + timedelta(seconds=1), False),
        ("Ann", timedelta(minutes=1), False),
    ],
    ids=["soon", "later", "ended by a person"],
)
def test_only_what_resolved_itself_a_short_time_ago_is_back(
    by: str, after: timedelta, back: bool
) -> None:
    over = resolve(INCIDENT, by=by, at=NOON).incident
    assert is_back(over, TICKET, at=NOON + after) == back
