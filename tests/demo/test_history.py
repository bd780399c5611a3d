"""The past that is posted: its rhythm, and that the API takes all of it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from service.api.schemas.batches import read_batch_carefully
from service.demo.history import CALLS_PER_BATCH, CALLS_PER_HOUR, history
from service.demo.rhythm import call_times, share_of_mean

END = datetime(2026, 11, 23, 17, 20, 11, tzinfo=UTC)
WEEK = timedelta(days=7)


def test_a_week_has_its_calls_in_order_and_within_it() -> None:
    times = list(call_times(END - WEEK, END, 60, Random(7)))
    assert len(times) == pytest.approx(60 * 24 * 7, abs=2)
    assert times == sorted(times)
    assert times[0] >= END - WEEK
    assert times[-1] < END


def test_days_are_busier_than_nights_and_weekends() -> None:
    tuesday_noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    tuesday_night, sunday_noon = tuesday_noon.replace(hour=3), tuesday_noon - timedelta(days=2)
    assert share_of_mean(tuesday_noon) > 1.8 * share_of_mean(tuesday_night)
    assert share_of_mean(tuesday_noon) > 1.2 * share_of_mean(sunday_noon)


def test_no_gap_is_so_long_that_a_slice_of_an_alert_window_stays_empty() -> None:
    """The shortest slice is 5 minutes: a twelfth of the shortest long window."""
    answers_per_hour = dict(CALLS_PER_HOUR)["answer"]
    times = list(call_times(END - WEEK, END, answers_per_hour, Random(7)))
    assert max(later - earlier for earlier, later in pairwise(times)) < timedelta(minutes=4)


def test_the_api_takes_every_sample_and_counts_every_call() -> None:
    batches = list(history(END - timedelta(days=2), END, Random(7)))
    parsed = [read_batch_carefully(batch.body, max_items=CALLS_PER_BATCH) for batch in batches]
    assert not [rejection for batch in parsed for rejection in batch.rejections]
    for sent, batch in zip(batches, parsed, strict=True):
        assert len(batch.samples) == sent.calls
        assert sum(count.calls for count in batch.counts.values()) == sent.calls
        cost_usd = sum(sample.cost_usd or 0 for sample in batch.samples.values())
        assert sum(count.cost_usd for count in batch.counts.values()) == pytest.approx(cost_usd)
        assert max(sample.called_at for sample in batch.samples.values()) == sent.ends_at


def test_the_same_seed_makes_the_same_past() -> None:
    past = [
        [batch.body for batch in history(END - timedelta(days=1), END, Random(7))] for _ in range(2)
    ]
    assert past[0] == past[1]
