"""From hourly counts to a verdict that explains itself, on made and on real logs."""

import csv
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.drift.bins import BinCounts
from service.domain.drift.reference import InsufficientReference, Reference, build_reference
from service.domain.drift.verdict import (
    DriftPolicy,
    DriftVerdict,
    UnusableBatchesError,
    judge_drift,
)

POLICY = DriftPolicy()
START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRIME = Path(__file__).parents[4] / "shared" / "data" / "llmdrift" / "PRIME_FULL_EVAL.csv"
needs_logs = pytest.mark.skipif(not PRIME.exists(), reason=f"the real logs are not at {PRIME}")


def _reference(values) -> Reference:
    reference = build_reference(values, np.ones(len(values)))
    assert isinstance(reference, Reference)
    return reference


def _hourly(reference: Reference, values, an_hour: int = 21):
    values = np.asarray(values, dtype=float)
    return [
        (START + hour * HOUR, BinCounts.of_rows(rows, np.ones(len(rows)), reference.edges))
        for hour, rows in enumerate(
            values[first : first + an_hour] for first in range(0, len(values), an_hour)
        )
    ]


def _judge(reference, batches, streams=1, now=None, **rest) -> DriftVerdict:
    if now is None:
        now = (batches[-1][0] if batches else START) + HOUR
    return judge_drift(reference, batches, POLICY, streams, now, **rest)


def _binary(share: float, rows: int, seed: int = 0):
    return (np.random.default_rng(seed).random(rows) < share).astype(float)


BINARY = _reference(np.repeat([0.0, 1.0], [160, 840]))


def test_a_fall_of_a_pass_rate_from_84_to_50_percent_is_found_within_hours():
    for seed in range(20):
        batches = _hourly(BINARY, np.append(_binary(0.84, 5040, seed), _binary(0.5, 126, seed)))
        verdict = _judge(BINARY, batches, metric="expected answer")
        assert verdict.status == "firing"
        fell_at = START + 240 * HOUR
        assert next(
            hours
            for hours in range(1, 7)
            if _judge(BINARY, batches[: 240 + hours]).status == "firing"
        )
        assert verdict.alarmed_at is not None
        assert verdict.alarmed_at >= fell_at


def test_a_fall_from_a_nearly_perfect_pass_rate_is_seen():
    reference = _reference(np.repeat([0.0, 1.0], [10, 990]))
    verdict = _judge(reference, _hourly(reference, _binary(0.8, 210)))
    assert verdict.status == "firing"
    assert verdict.effect is not None
    assert (verdict.effect.comparison, verdict.effect.value) == ("below", 1.0)


def test_a_stream_that_never_failed_fires_when_it_fails():
    reference = _reference(np.ones(1000))
    assert _judge(reference, _hourly(reference, np.ones(500))).status == "healthy"
    assert _judge(reference, _hourly(reference, _binary(0.7, 105))).status == "firing"


def test_a_verdict_explains_itself_with_its_numbers():
    reference = _reference(np.arange(1, 2001))
    shorter = np.arange(1, 505)
    verdict = _judge(
        reference, _hourly(reference, shorter), metric="output length", unit="characters"
    )
    assert verdict.sentence == (
        "output length: 99.2 % of answers are now at most 500 characters (96.2 to 100 %); in the "
        "reference 25 % were, up to 28.7 % is tolerated."
    )
    effect = verdict.effect
    assert effect is not None
    assert effect.interval[0] <= effect.current_share <= effect.interval[1]
    assert verdict.minimum_detectable_effect is not None
    assert 0 < verdict.minimum_detectable_effect < effect.exceedance


def test_a_healthy_verdict_says_what_it_would_have_found_and_no_difference_that_it_should_have():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        reference = _reference(rng.normal(500, 100, 1000))
        batches = _hourly(reference, rng.normal(500, 100, 168 * 20), an_hour=20)
        verdict = _judge(reference, batches, streams=10, metric="length")
        effect, detectable = verdict.effect, verdict.minimum_detectable_effect
        assert (verdict.status, effect is None, detectable is None) == ("healthy", False, False)
        assert effect.interval[0] <= effect.bound, "else it should have fired"
        assert effect.exceedance < detectable
        assert verdict.sentence == (
            f"length: no drift found. Largest difference: {100 * effect.current_share:.3g} % of "
            f"answers are now {effect.comparison} {effect.value:g} "
            f"({100 * effect.interval[0]:.3g} to {100 * effect.interval[1]:.3g} %); in the "
            f"reference {100 * effect.reference_share:.3g} % were; a rise by "
            f"{100 * detectable:.3g} points that lasts 7 days would be found."
        )


def test_an_alarm_that_no_longer_shows_says_when_it_was():
    batches = _hourly(BINARY, np.concatenate([_binary(0.5, 21 * 12), _binary(0.84, 21 * 24)]))
    alarmed, lately = _judge(BINARY, batches[:12]), _judge(BINARY, batches[:18])
    assert lately.status == "firing"
    assert lately.alarmed_at is not None
    assert "last alarm" not in alarmed.sentence
    assert lately.sentence.endswith(f"; last alarm at {lately.alarmed_at:%Y-%m-%d %H:%M} UTC.")

    held = _judge(BINARY, batches[12:], last_alarm=START + 12 * HOUR)
    assert held.status == "firing"
    assert held.sentence.startswith(
        "value: drift, last alarm at 2026-11-02 12:00 UTC; the last 24 hours alone would be "
        "tolerated: "
    )


def test_an_alarm_of_a_part_of_an_hour_lasts_as_long_as_one_of_a_whole_hour():
    before = _hourly(BINARY, _binary(0.84, 21 * 48))
    part, rest = _binary(0.2, 30), _binary(0.84, 400)

    def and_then(*values):
        hour = START + 48 * HOUR
        rows = np.concatenate(values)
        return [*before, (hour, BinCounts.of_rows(rows, np.ones(len(rows)), BINARY.edges))]

    alarmed = _judge(BINARY, and_then(part))
    assert (alarmed.status, alarmed.alarmed_at) == ("firing", START + 48 * HOUR)
    assert _judge(BINARY, and_then(part, rest)).status == "healthy"

    after = and_then(part, rest)
    for hour in range(49, 49 + 48):
        held = _judge(BINARY, after, last_alarm=alarmed.alarmed_at)
        assert held.alarmed_at == alarmed.alarmed_at
        assert held.status == ("firing" if hour - 1 - 48 <= 24 else "healthy")
        rows = _binary(0.84, 21, seed=hour)
        after.append((START + hour * HOUR, BinCounts.of_rows(rows, np.ones(21), BINARY.edges)))


def test_a_verdict_that_is_unknown_does_not_forget_the_alarm():
    alarm = START - HOUR
    for reference, batches in ((InsufficientReference(rows=3), []), (BINARY, [])):
        assert _judge(reference, batches, last_alarm=alarm).alarmed_at == alarm


def test_warming_up_says_whether_rows_or_days_are_missing():
    rows = InsufficientReference(rows=412, day=7, days=7)
    days = InsufficientReference(rows=1000, day=6, days=7)
    waiting = InsufficientReference(rows=1000, day=7, days=7, waits_for="calls wait")
    assert [_judge(each, []).sentence for each in (rows, days, waiting)] == [
        "value: warming up, 412 of 1000 answers, day 7 of 7.",
        "value: warming up, 1000 of 1000 answers, day 6 of 7.",
        "value: warming up, 1000 of 1000 answers, day 7 of 7; calls wait.",
    ]


def test_the_effect_is_that_of_the_last_day_only():
    batches = _hourly(BINARY, np.append(np.zeros(210), np.tile([0.0, 1.0], 12 * 21)))
    effect = _judge(BINARY, batches).effect
    assert effect is not None
    assert (effect.comparison, effect.value) == ("at most", 0.0)
    assert (effect.rows, effect.current_share) == (24 * 21, 0.5)
    assert (effect.reference_share, effect.exceedance) == (0.16, pytest.approx(0.34))


def test_drift_fires_while_it_lasts_and_clears_a_day_after_it_ends():
    batches = _hourly(BINARY, np.concatenate([_binary(0.5, 21 * 96), _binary(0.84, 21 * 72)]))
    statuses = [_judge(BINARY, batches[: hour + 1]).status for hour in range(len(batches))]
    first = statuses.index("firing")
    assert set(statuses[first:96]) == {"firing"}
    assert set(statuses[96:118]) == {"firing"}
    assert set(statuses[96 + 36 :]) == {"healthy"}


def test_without_enough_rows_for_a_reference_the_stream_is_warming_up():
    verdict = _judge(InsufficientReference(rows=412), [])
    assert (verdict.status, verdict.reason) == ("unknown", "warming_up")


def test_no_rows_few_rows_and_old_rows_are_unknown():
    batches = _hourly(BINARY, _binary(0.84, 504))
    silent = _judge(BINARY, batches, now=batches[-1][0] + timedelta(hours=26))
    for verdict in (_judge(BINARY, []), _judge(BINARY, _hourly(BINARY, [1.0, 0.0])), silent):
        assert (verdict.status, verdict.reason) == ("unknown", "insufficient_data")
    assert "even a total change would need" in _judge(BINARY, _hourly(BINARY, [1.0])).sentence


def test_hours_in_the_future_and_empty_hours_are_left_out():
    batches = _hourly(BINARY, _binary(0.84, 504))
    padded = [*batches, (batches[-1][0] + 9 * HOUR, batches[0][1])]
    padded.append((batches[-1][0] + 10 * HOUR, BinCounts.empty(len(BINARY.n))))
    assert _judge(BINARY, padded, now=batches[-1][0] + HOUR) == _judge(BINARY, batches)


def test_batches_out_of_order_or_in_other_bins_are_refused():
    batches = _hourly(BINARY, _binary(0.84, 63))
    with pytest.raises(UnusableBatchesError, match="ascending"):
        _judge(BINARY, batches[::-1])
    with pytest.raises(UnusableBatchesError, match="bins"):
        _judge(BINARY, [(START, BinCounts.empty(9))])


arrivals = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from([0.0, 1.0]), st.sampled_from([1.0, 4.0])),
    min_size=1,
    max_size=200,
)


@settings(deadline=None, max_examples=50)
@given(arrivals, st.randoms(use_true_random=False))
def test_late_rows_give_the_verdict_that_they_would_have_given_in_time(rows, random):
    late = rows.copy()
    random.shuffle(late)

    def judged(order) -> DriftVerdict:
        hours: dict[datetime, BinCounts] = {}
        for hour, value, weight in order:
            at = START + hour * HOUR
            row = BinCounts.of_rows([value], [weight], BINARY.edges)
            hours[at] = hours.get(at, BinCounts.empty(len(BINARY.n))) + row
        return _judge(BINARY, sorted(hours.items(), key=lambda item: item[0]))

    assert judged(late) == judged(sorted(rows))


@cache
def _answer_lengths(model: str):
    with PRIME.open(newline="", encoding="utf-8") as rows:
        return np.array(
            [float(len(r["answer"])) for r in csv.DictReader(rows) if r["model"].endswith(model)]
        )


@needs_logs
def test_the_june_answers_of_gpt_4_are_noticed_within_100_of_them():
    reference = _reference(_answer_lengths("gpt-4-0314"))
    batches = _hourly(reference, _answer_lengths("gpt-4-0613")[:100])
    verdict = _judge(reference, batches, 20, metric="output length", unit="characters")
    assert verdict.status == "firing"
    assert verdict.sentence == (
        "output length: 100 % of answers are now at most 152 characters (91.8 to 100 %); in "
        "the reference 5.2 % were, up to 8.32 % is tolerated."
    )


@needs_logs
def test_the_march_answers_shuffled_as_past_and_present_raise_no_alarm():
    march = _answer_lengths("gpt-4-0314")
    for seed in range(50):
        rng = np.random.default_rng(seed)
        reference = _reference(rng.choice(march, 1000))
        verdict = _judge(reference, _hourly(reference, rng.permutation(march)))
        assert (verdict.status, verdict.alarmed_at) == ("healthy", None)
