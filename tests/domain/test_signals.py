from datetime import UTC, datetime, timedelta

import pytest

from service.domain.signals import (
    LOOKED_FOR,
    InvalidSignalValueError,
    look_again_at,
    read_value,
    speaks_against,
)

RECEIVED_AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "said", "value", "text"),
    [
        ("thumbs", 1, 1.0, None),
        ("thumbs", -1.0, -1.0, None),
        ("thumbs", True, 1.0, None),
        ("thumbs", False, -1.0, None),
        ("thumbs", "down", -1.0, None),
        ("correction", "It is prime.", None, "It is prime."),
        ("correction", None, None, None),
        ("regenerated", None, None, None),
        ("regenerated", True, 1.0, None),
        ("abandoned", None, None, None),
        ("copied", "to the clipboard", None, "to the clipboard"),
        ("stars", 4, 4.0, None),
    ],
)
def test_values_are_read_as_their_kind_means_them(
    kind: str, said: float | bool | str | None, value: float | None, text: str | None
) -> None:
    assert read_value(kind, said) == (value, text)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("thumbs", 0),
        ("thumbs", None),
        ("thumbs", "sideways"),
        ("thumbs", 5),
        ("correction", 3.0),
        ("stars", float("nan")),
        ("thumbs", float("inf")),
    ],
)
def test_a_value_that_its_kind_cannot_have_is_refused_with_what_is_allowed(
    kind: str, said: float | str | None
) -> None:
    with pytest.raises(InvalidSignalValueError, match=r"^must be"):
        read_value(kind, said)


@pytest.mark.parametrize(
    ("kind", "value", "against"),
    [
        ("thumbs", -1.0, True),
        ("thumbs", 1.0, False),
        ("correction", None, True),
        ("regenerated", None, True),
        ("regenerated", 0.0, False),
        ("abandoned", None, True),
        ("copied", -1.0, False),
    ],
)
def test_only_kinds_that_we_know_speak_against_an_answer(
    kind: str, value: float | None, against: bool
) -> None:
    assert speaks_against(kind, value) is against


def test_a_sample_is_looked_for_ever_more_rarely_and_at_last_no_more() -> None:
    now: datetime | None = RECEIVED_AT
    looks = []
    while now is not None:
        looks.append(now - RECEIVED_AT)
        now = look_again_at(RECEIVED_AT, now=now)
    assert looks[:4] == [timedelta(seconds=seconds) for seconds in (0, 15, 60, 240)]
    assert looks[-1] == LOOKED_FOR
    assert looks == sorted(looks)
    assert len(looks) == 10


def test_after_a_worker_was_away_the_pauses_follow_the_signals_age() -> None:
    late = RECEIVED_AT + timedelta(hours=2)
    assert look_again_at(RECEIVED_AT, now=late) == RECEIVED_AT + timedelta(hours=8)
    assert look_again_at(RECEIVED_AT, now=RECEIVED_AT + LOOKED_FOR * 2) is None
