"""Availability of sampled calls: no surer than the calls that were seen allow."""

import numpy as np
import pytest

from service.domain.calls import CallCount
from service.domain.kept_calls import count_kept
from service.domain.slis import Tally
from service.domain.vetting import merge_counts
from tests.otlp.sent import a_span, read

BAD = 0.01


def test_a_count_says_how_many_calls_each_span_stands_for() -> None:
    spans = [a_span(number=number, traceState="ot=th:c") for number in range(1, 11)]
    (count,) = merge_counts(map(count_kept, read(*spans).batch.samples.values()))
    assert (count.calls, count.squares) == (40, 160.0)
    assert Tally.from_counts(40, 0, w2=160.0, bad_w2=0.0).effective_n == 10


def test_counts_of_sampled_and_of_counted_calls_add_up() -> None:
    (sampled,) = map(count_kept, read(a_span(traceState="ot=th:c")).batch.samples.values())
    counted = CallCount(sampled.slice, 7, 0, 0, 0.0)
    both = sampled + counted
    assert (both.calls, both.sum_of_squares) == (11, 23.0)


@pytest.mark.parametrize(("probability", "calls"), [(0.1, 10_000), (0.3, 3_000), (0.01, 100_000)])
def test_the_bound_of_a_sample_holds_as_often_as_it_says(probability: float, calls: int) -> None:
    draw = np.random.default_rng(5)
    too_high, as_if_counted = 0, 0
    runs = 400
    for _ in range(runs):
        bad = draw.binomial(calls, BAD)
        kept_bad, kept_good = draw.binomial([bad, calls - bad], probability)
        bad_weights, good_weights = (
            np.floor(1 / probability + draw.random(kept)) for kept in (kept_bad, kept_good)
        )
        total, lost = int(bad_weights.sum() + good_weights.sum()), int(bad_weights.sum())
        bad_w2 = float((bad_weights**2).sum())
        w2 = bad_w2 + float((good_weights**2).sum())
        tally = Tally.from_counts(total, lost, w2=w2, bad_w2=bad_w2)
        too_high += tally.lower_bound(0.99) > BAD
        as_if_counted += Tally.from_counts(total, lost).lower_bound(0.99) > BAD
    assert too_high / runs <= 0.02
    assert as_if_counted / runs > 0.05  # what the squares are for
