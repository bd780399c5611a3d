"""The rule over whole stretches of time agrees with judgements of one instant after the other."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from service.domain.alert_replay import Flags, MinuteCounts, Reached, openings, replay_tier
from service.domain.alert_windows import AlertTier
from service.domain.burn_rate import SloPolicy, WindowReading, judge_tier
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WINDOW, HOUR = timedelta(days=28), timedelta(hours=1)
CALLS = Indicator("availability", "answer", "production")
MINUTES = 400


def weigh(reached: Reached, minute: int, weight: float) -> Tally:
    n, bad = int(reached.total[minute]), int(reached.bad[minute])
    square = weight * weight
    return Tally(n, n * weight, n * square, bad_n=bad, bad_w=bad * weight, bad_w2=bad * square)


def judge_in_turn(
    slo: Slo, counts: MinuteCounts, gaps: tuple[Flags, Flags], weight: float, policy: SloPolicy
) -> list[bool]:
    """`judge_tier` at every minute, each told what the last one decided."""
    tier = slo.tiers[0]
    long, short = counts.within(tier.long), counts.within(tier.short)
    alerting: list[bool] = []
    for minute in range(MINUTES):
        seen = [
            WindowReading(
                weigh(reached, minute, weight),
                newest_at=NOW,
                observed_slices=6 if gap[minute] else 12,
                expected_slices=12,
            )
            for reached, gap in zip((long, short), gaps, strict=True)
        ]
        verdict = judge_tier(
            slo,
            tier,
            long=seen[0],
            short=seen[1],
            now=NOW,
            policy=policy,
            was_alerting=bool(alerting) and alerting[-1],
        )
        alerting.append(verdict.alerting)
    return alerting


@pytest.mark.parametrize("calls_a_minute", [0.05, 0.2, 1.0, 10.0, 200.0])
@pytest.mark.parametrize(("objective", "factor"), [(0.8, 1.2), (0.8, 3.0), (0.99, 14.4)])
def test_the_replay_alerts_exactly_when_judgements_in_turn_do(
    calls_a_minute: float, objective: float, factor: float
) -> None:
    tier = AlertTier.of("page", HOUR, factor, WINDOW)
    slo = Slo("up", "support", CALLS, objective, WINDOW, (tier,))
    opened = 0
    for seed in range(12):
        chance = np.random.default_rng(seed)
        # The bad ratio wanders about the threshold.
        wander = np.cumsum(chance.normal(0, 0.25, MINUTES // 20)).repeat(20)
        ratio = np.clip(tier.firing_ratio(objective) * (1 + wander), 0, 1)
        total = chance.poisson(calls_a_minute, MINUTES)
        counts = MinuteCounts.of(total, chance.binomial(total, ratio))
        gaps = chance.random(MINUTES) < 0.1, chance.random(MINUTES) < 0.1
        policy = SloPolicy((0.99, 0.9)[seed % 2], (0.999_999, 0.999)[seed // 2 % 2])
        replayed = replay_tier(
            tier,
            objective,
            counts.within(tier.long),
            counts.within(tier.short),
            policy=policy,
            unseen=gaps[0] | gaps[1],
        )
        weight = (1.0, 1 / 0.3, 100.0)[seed % 3]
        assert replayed.tolist() == judge_in_turn(slo, counts, gaps, weight, policy)
        opened += int(openings(replayed).sum())
    assert opened, "streams on which nothing alerts prove nothing"


def test_repetitions_are_rows() -> None:
    tier = AlertTier.of("page", HOUR, 2.0, WINDOW)
    chance = np.random.default_rng(0)
    total = chance.poisson(1.0, (5, MINUTES))
    bad = chance.binomial(total, 0.45)
    together = MinuteCounts.of(total, bad)
    rows = replay_tier(tier, 0.8, together.within(tier.long), together.within(tier.short))
    for row in range(5):
        alone = MinuteCounts.of(total[row], bad[row])
        long, short = alone.within(tier.long), alone.within(tier.short)
        assert replay_tier(tier, 0.8, long, short).tolist() == rows[row].tolist()
    assert rows.any()
