"""The catalogue that is proposed for 0.80, over simulated weeks: it pages once, and only then.

The calls are those of the replayed logs: 1,000 over 28 days, then 1,000 over two.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from service.domain.alert_windows import propose_catalogue
from service.domain.burn_rate import SloVerdict, WindowReading, judge_slo
from service.domain.indicators import Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY_S = 86_400
WINDOW = timedelta(days=28)
QUALITY = Indicator("quality", "prime", "production", "expected_answer")
SLO = Slo("correct", "support", QUALITY, 0.80, WINDOW, propose_catalogue(0.80, WINDOW))
RUNS = 30


def replay(seed: int, calls: int, bad_ratio: float) -> list[SloVerdict]:
    """28 days with 1,000 calls, 16 % bad, then two days like this, judged every 5 minutes."""
    rng = np.random.default_rng(seed)
    past = np.sort(rng.uniform(0, 28 * DAY_S, 1000))
    times = np.concatenate([past, np.sort(rng.uniform(28 * DAY_S, 30 * DAY_S, calls))])
    bad = np.concatenate([rng.random(1000) < 0.16, rng.random(calls) < bad_ratio])
    bad_before = np.concatenate([[0], np.cumsum(bad)])
    verdicts: list[SloVerdict] = []
    for at in range(28 * DAY_S, 30 * DAY_S + 1, 300):
        end = int(np.searchsorted(times, at, "right"))
        now = START + timedelta(seconds=at)
        newest = START + timedelta(seconds=float(times[end - 1]))
        readings = {}
        for length in SLO.window_lengths:
            start = int(np.searchsorted(times, at - length.total_seconds(), "right"))
            tally = Tally.from_counts(end - start, int(bad_before[end] - bad_before[start]))
            readings[length] = WindowReading(tally, newest_at=newest)
        previous = verdicts[-1].alerting_tiers if verdicts else frozenset[str]()
        verdicts.append(judge_slo(SLO, readings, now, previous=previous))
    return verdicts


def test_half_of_the_answers_wrong_pages_once_and_soon_in_every_run() -> None:
    hours_to_page = []
    for seed in range(RUNS):
        verdicts = replay(seed, calls=1000, bad_ratio=0.5)
        alerting = [verdict.alerting for verdict in verdicts]
        openings = [b and not a for a, b in pairwise(alerting)]
        assert sum(openings) + alerting[0] == 1, "an alert that flaps pages more than once"
        pages = [index for index, v in enumerate(verdicts) if v.severity == "page"]
        hours_to_page.append(pages[0] / 12)
        assert verdicts[-1].severity == "page"
    assert np.median(hours_to_page) < 6
    assert max(hours_to_page) < 12


@pytest.mark.parametrize("calls", [71, 1000], ids=["thin as before", "dense as after"])
def test_an_app_within_its_budget_never_fires(calls: int) -> None:
    firing = [v for seed in range(RUNS) for v in replay(seed, calls, 0.16) if v.alerting]
    assert firing == []


def test_a_thin_stream_that_keeps_coming_is_hardly_ever_unknown() -> None:
    verdicts = [v for seed in range(5) for v in replay(seed, 71, 0.16)]
    unknown = [v for v in verdicts if v.status == "unknown"]
    assert len(unknown) / len(verdicts) < 0.01
