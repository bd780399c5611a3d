import uuid

import pytest

from watchkeeper.sample_ids import new_sample_id


def test_an_id_is_a_uuid_of_version_7_that_begins_with_the_time():
    made = uuid.UUID(new_sample_id(1_767_614_459.999))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_767_614_459_999


def test_ids_are_in_the_order_of_their_times_and_all_different():
    ids = [new_sample_id(1_767_614_459 + n / 1000) for n in range(1_000)]
    assert ids == sorted(ids)
    assert len({new_sample_id(1.0) for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 253_000_000_000.0])
def test_any_time_gives_an_id(seconds):
    assert uuid.UUID(new_sample_id(seconds)).version == 7
