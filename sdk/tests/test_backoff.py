import random
from datetime import datetime, timezone

from watchkeeper.backoff import Backoff, retry_after_s

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=timezone.utc)


def test_the_jitter_is_full_and_its_span_doubles_up_to_the_ceiling():
    chance = random.Random(7)
    backoff = Backoff(first_s=0.5, ceiling_s=8.0)
    for attempt, span in ((1, 0.5), (2, 1.0), (4, 4.0), (5, 8.0), (5_000, 8.0)):
        delays = [backoff.delay_s(attempt, chance) for _ in range(2_000)]
        assert 0 <= min(delays) < 0.02 * span
        assert 0.98 * span < max(delays) <= span
        assert abs(sum(delays) / 2_000 - span / 2) < 0.05 * span


def test_retry_after_is_bounded_and_never_negative():
    assert retry_after_s("99999999999999", NOW) == 3600
    assert retry_after_s("Thu, 01 Jan 2026 11:00:00 GMT", NOW) == 0
    for illegible in ("-5", "1.5", "nan", "٣", "", "Thu, 99 Foo 2026"):
        assert retry_after_s(illegible, NOW) == 0


def test_where_waiting_mends_nothing_the_wait_is_long_from_the_first_time_on():
    chance = random.Random(3)
    delays = [Backoff(first_s=0.5, ceiling_s=8.0).longest_s(chance) for _ in range(2_000)]
    assert 4.0 <= min(delays) < 4.1
    assert 7.9 < max(delays) <= 8.0
