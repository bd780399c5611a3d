"""What may not matter to a judgement does not: the clock, the scale of weights, order, grouping."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert_windows import AlertTier, standard_catalogue
from service.domain.burn_rate import SloVerdict, TierVerdict, WindowReading, judge_slo, judge_tier
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WINDOW = timedelta(days=28)
QUALITY = Indicator("quality", "prime", "production", "expected_answer")
TIER = AlertTier.of("page", timedelta(minutes=144), 2.0, WINDOW)
SLO = Slo("correct", "support", QUALITY, 0.80, WINDOW, (TIER,))

# (calls, bad ones among them, weight) of a minute
Minute = tuple[int, int, float]
minutes = st.lists(
    st.integers(0, 30).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, n), st.sampled_from([1.0, 2.5, 10.0]))
    ),
    min_size=1,
    max_size=20,
)


def weigh(minute: Minute, scale: float = 1.0) -> Tally:
    n, bad, weight = minute
    w = weight * scale
    return Tally(n, n * w, n * w * w, bad_n=bad, bad_w=bad * w, bad_w2=bad * w * w)


def judge(
    tallies: Sequence[Tally], *, was_alerting: bool = False, now: datetime = NOW
) -> TierVerdict:
    """The long window has all minutes, the short one the last three."""
    long, short = (
        WindowReading(Tally.sum(part), newest_at=now - timedelta(minutes=3))
        for part in (tallies, tallies[-3:])
    )
    return judge_tier(SLO, TIER, long=long, short=short, now=now, was_alerting=was_alerting)


def assert_same(one: TierVerdict, other: TierVerdict) -> None:
    """Sums in another order differ in their last digits."""
    assert (one.status, one.alerting, one.cause) == (other.status, other.alerting, other.cause)
    assert one.reason == other.reason
    assert one.long_burn == pytest.approx(other.long_burn)
    assert one.long_burn_at_least == pytest.approx(other.long_burn_at_least)


@given(minutes, st.booleans(), st.integers(-(10**8), 10**8))
def test_a_judgement_does_not_depend_on_the_date(
    stream: list[Minute], was_alerting: bool, shift_s: int
) -> None:
    tallies = [weigh(minute) for minute in stream]
    later = judge(tallies, was_alerting=was_alerting, now=NOW + timedelta(seconds=shift_s))
    assert later == judge(tallies, was_alerting=was_alerting)


@given(minutes, st.booleans(), st.sampled_from([0.001, 1 / 3, 7.0, 1e6]))
def test_weights_count_by_their_proportions_only(
    stream: list[Minute], was_alerting: bool, scale: float
) -> None:
    plain, scaled = ([weigh(minute, by) for minute in stream] for by in (1.0, scale))
    assert_same(judge(scaled, was_alerting=was_alerting), judge(plain, was_alerting=was_alerting))


@given(minutes, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_minutes_within_a_window_does_not_matter(
    stream: list[Minute], was_alerting: bool, order: object
) -> None:
    tallies = [weigh(minute) for minute in stream]
    past, recent = tallies[:-3], tallies[-3:]
    order.shuffle(past)  # type: ignore[attr-defined]
    order.shuffle(recent)  # type: ignore[attr-defined]
    assert_same(
        judge([*past, *recent], was_alerting=was_alerting),
        judge(tallies, was_alerting=was_alerting),
    )


@given(minutes, st.booleans(), st.integers(1, 10))
def test_minutes_may_be_merged(stream: list[Minute], was_alerting: bool, size: int) -> None:
    tallies = [weigh(minute) for minute in stream]
    past, recent = tallies[:-3], tallies[-3:]
    merged = [Tally.sum(past[at : at + size]) for at in range(0, len(past), size)]
    recent = [Tally.ZERO, Tally.ZERO, Tally.sum(recent)]
    assert_same(
        judge([*merged, *recent], was_alerting=was_alerting),
        judge(tallies, was_alerting=was_alerting),
    )


@given(minutes, st.booleans())
def test_one_more_bad_call_never_clears_an_alert(stream: list[Minute], was_alerting: bool) -> None:
    tallies = [weigh((n, bad, 1.0)) for n, bad, _ in stream]
    worse = [*tallies[:-1], tallies[-1] + weigh((1, 1, 1.0))]
    if judge(tallies, was_alerting=was_alerting).alerting:
        assert judge(worse, was_alerting=was_alerting).alerting


CATALOGUE = standard_catalogue(WINDOW)


def readings_of(chance: np.random.Generator, bad_ratio: float) -> dict[timedelta, WindowReading]:
    """At 600 calls an hour, a tenth of them kept."""
    found = {}
    for length in replace(SLO, objective=0.99, tiers=CATALOGUE).window_lengths:
        kept = int(chance.poisson(60 * (length / timedelta(hours=1))))
        bad = int(chance.binomial(kept, bad_ratio))
        found[length] = WindowReading(
            weigh((kept, bad, 10.0)), observed_slices=12, expected_slices=12, newest_at=NOW
        )
    return found


@pytest.mark.parametrize(
    ("bad_ratio", "previous"),
    [(0.005, ()), (0.3, ()), (0.05, tuple(tier.key for tier in CATALOGUE))],
    ids=["all well", "all ill", "in doubt, after an alert"],
)
def test_a_thousand_slos_of_four_tiers_are_judged_in_four_tenths_of_a_second(
    bad_ratio: float, previous: tuple[str, ...]
) -> None:
    chance = np.random.default_rng(7)
    slos = [replace(SLO, name=f"slo-{n}", objective=0.99, tiers=CATALOGUE) for n in range(1000)]
    readings = [readings_of(chance, bad_ratio) for _ in slos]

    def judge_all() -> list[SloVerdict]:
        return [
            judge_slo(slo, of, NOW, previous=previous)
            for slo, of in zip(slos, readings, strict=True)
        ]

    # The best of three: what else the machine does is not what is measured.
    assert min(_seconds(judge_all) for _ in range(3)) < 0.4


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
