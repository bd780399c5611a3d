from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest

from service.domain.calls import CLOCK_SKEW_ALLOWANCE, Batch, CallCount, Remark
from service.domain.vetting import Vetted, merge_counts, vet
from tests.declared import NOW, RETENTION, a_count, a_sample
from tests.signalled import a_signal

SECOND = timedelta(seconds=1)


def vetted(**parts: object) -> Vetted:
    batch = Batch(batch_id=uuid4(), **parts)  # type: ignore[arg-type]
    return vet(batch, now=NOW, retention=RETENTION)


@pytest.mark.parametrize(
    "instant",
    [
        *(NOW, NOW + CLOCK_SKEW_ALLOWANCE, NOW - RETENTION),
        NOW.astimezone(timezone(timedelta(hours=14))),
    ],
)
def test_a_time_at_the_very_edge_is_taken(instant: datetime) -> None:
    sample = a_sample(called_at=instant)
    assert vetted(samples={0: sample}).samples == [sample]


@pytest.mark.parametrize(
    "instant",
    [
        *(NOW + CLOCK_SKEW_ALLOWANCE + SECOND, NOW - RETENTION - SECOND),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    ],
)
def test_a_time_beyond_the_edge_costs_only_its_item(instant: datetime) -> None:
    seen = vetted(
        samples={3: a_sample(), 5: a_sample(called_at=instant)},
        counts={1: a_count(minute=instant), 2: a_count()},
        signals={0: a_signal(signalled_at=instant), 7: a_signal()},
    )
    assert (len(seen.samples), seen.counts_taken, len(seen.signals)) == (1, 1, 1)
    assert [remark.pointer for remark in seen.rejections] == [
        "/samples/5/called_at",
        "/call_counts/1/minute",
        "/signals/0/signalled_at",
    ]


def test_refusals_are_counted_by_what_they_are_of() -> None:
    unread = (Remark("/samples/10/task", "is required"), Remark("/instance/sdk", "is too long"))
    seen = vetted(
        samples={1: a_sample(called_at=NOW + timedelta(days=1))}, counts={}, rejections=unread
    )
    assert [seen.refused(of) for of in ("/samples/", "/call_counts/", "/signals/")] == [2, 0, 0]


def test_a_repeated_sample_is_kept_once() -> None:
    sample = a_sample()
    seen = vetted(samples={0: sample, 1: a_sample(), 2: sample, 3: sample})
    assert (len(seen.samples), seen.repetitions, seen.rejections) == (2, 2, ())


def test_one_id_with_two_times_is_kept_with_the_first() -> None:
    first = a_sample()
    other = first._replace(called_at=NOW - SECOND)
    seen = vetted(samples={4: first, 6: other})
    assert seen.samples == [first]
    (remark,) = seen.rejections
    assert remark.pointer == "/samples/6/sample_id"
    assert "/samples/4" in remark.reason


def test_of_one_id_with_two_times_a_refused_time_does_not_count() -> None:
    late = a_sample(called_at=NOW + timedelta(days=1))
    timely = late._replace(called_at=NOW)
    seen = vetted(samples={0: late, 1: timely})
    assert seen.samples == [timely]
    assert [remark.pointer for remark in seen.rejections] == ["/samples/0/called_at"]


def test_counts_of_one_slice_are_added_up_with_their_histograms() -> None:
    one, other = a_count(2), a_count(3)
    histogram = CallCount(one.slice, 1, 0, 0, 0.5, (1, 0))
    (total,) = merge_counts([one, other, histogram])
    assert (total.calls, total.cost_usd, total.latency_counts) == (6, 0.5, (1, 0))
    assert total.squares == 6


def test_slices_that_differ_in_their_outcome_stay_apart() -> None:
    assert len(merge_counts([a_count(1), a_count(1, outcome="error")])) == 2
