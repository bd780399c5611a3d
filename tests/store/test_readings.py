"""What SLOs of every kind read of real counts: set against sums over the raw minutes."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Connection, Engine

from service.domain.alert_windows import AlertTier, propose_catalogue
from service.domain.budget_windows import Calendar
from service.domain.calls import CallCount, Slice
from service.domain.indicators import Filters, Indicator, IndicatorKind
from service.domain.latency import BUCKETS, EDGES_MS
from service.domain.slis import Tally
from service.domain.slos import Budgeting, Slo
from service.store.apps import App
from service.store.measured import Measured
from service.store.readings import SloReading, Wanted, read_slos, read_tallies, read_tally
from tests.declared import NOW, declare_app, post

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOW = 30 * DAY
A_DAY = AlertTier("ticket", DAY, 2 * HOUR, 1.5, 0.1)


def measured_of(app: App, kind: IndicatorKind = "availability", **more: object) -> Measured:
    fields = {name: more.pop(name) for name in ("limit", "filters") if name in more}
    indicator = Indicator(kind, "answer", "production", **fields)  # type: ignore[arg-type]
    return Measured(app.id, indicator, None, **more)  # type: ignore[arg-type]


def counts_of(minute: datetime, ok: int, bad: int, *, model: str = "gpt-4") -> list[CallCount]:
    fast, slow = [0] * BUCKETS, [0] * BUCKETS
    fast[EDGES_MS.index(500)] = ok
    slow[EDGES_MS.index(3_000)] = bad
    key = Slice(minute, "production", "answer", "", model, "", "ok")
    failed = key._replace(outcome="error")
    counts = [CallCount(key, ok, 0, 0, ok * 0.01, tuple(fast))] if ok else []
    return counts + ([CallCount(failed, bad, 0, 0, bad * 0.5, tuple(slow))] if bad else [])


def history(
    engine: Engine, app: App, *, minutes: int, seed: int
) -> dict[datetime, tuple[int, int]]:
    """Calls at random minutes of the last month; good and bad ones by minute."""
    draw = random.Random(seed)
    start = NOW - timedelta(days=30)
    chosen = sorted(draw.sample(range(30 * 24 * 60), minutes))
    held = {start + at * MINUTE: (draw.randint(0, 9), draw.randint(0, 3)) for at in chosen}
    post(engine, app, (), [c for at, (ok, bad) in held.items() for c in counts_of(at, ok, bad)])
    return held


def summed(
    held: dict[datetime, tuple[int, int]], start: datetime, end: datetime
) -> tuple[int, int]:
    inside = [pair for at, pair in held.items() if start <= at < end]
    return sum(ok + bad for ok, bad in inside), sum(bad for _, bad in inside)


def read(connection: Connection, measured: Measured, objective: float = 0.9) -> SloReading:
    tiers = propose_catalogue(objective, WINDOW)
    slo = Slo("s", "support", measured.indicator, objective, WINDOW, tiers)
    return read_slos(connection, [Wanted(slo, measured)], now=NOW + timedelta(seconds=20))[0]


@pytest.mark.parametrize("seed", [1, 2])
def test_any_stretch_is_the_sum_of_its_minutes_however_it_is_cut(engine: Engine, seed: int) -> None:
    app = declare_app(engine)
    held = history(engine, app, minutes=900, seed=seed)
    draw = random.Random(seed)
    edges = sorted(NOW - draw.randrange(30 * 24 * 60) * MINUTE for _ in range(12))
    with engine.connect() as connection:
        tallies = read_tallies(connection, measured_of(app), edges)
    for (start, end), tally in zip(pairwise(edges), tallies, strict=True):
        assert (tally.n, tally.bad_n) == summed(held, start, end)


def test_all_windows_and_the_budget_are_read_together(engine: Engine) -> None:
    app = declare_app(engine)
    held = history(engine, app, minutes=2_000, seed=3)
    with engine.connect() as connection:
        reading = read(connection, measured_of(app))
    end = NOW + MINUTE
    for length, window in reading.windows.items():
        assert (window.tally.n, window.tally.bad_n) == summed(held, NOW - length, end)
    assert (reading.budget.n, reading.budget.bad_n) == summed(held, NOW - WINDOW, end)


def test_excluded_minutes_leave_numerator_and_denominator(engine: Engine) -> None:
    app = declare_app(engine)
    held = history(engine, app, minutes=2_000, seed=4)
    out = (NOW - 9 * DAY - 7 * MINUTE, NOW - 8 * DAY + 13 * MINUTE)
    with engine.connect() as connection:
        tally = read_tally(connection, measured_of(app, excluded=(out,)), NOW - WINDOW, NOW)
    left = {at: pair for at, pair in held.items() if not out[0] <= at < out[1]}
    assert (tally.n, tally.bad_n) == summed(left, NOW - WINDOW, NOW)


def test_latency_counts_the_calls_above_the_limit_of_those_that_tell_one(engine: Engine) -> None:
    app = declare_app(engine)
    silent = CallCount(Slice(NOW, "production", "answer", "", "gpt-4", "", "ok"), 5, 0, 0, 0.0)
    post(engine, app, (), [*counts_of(NOW - DAY, 7, 2), silent])
    with engine.connect() as connection:
        at_2_s = read_tally(
            connection, measured_of(app, "latency", limit=2_000.0), NOW - WINDOW, NOW + MINUTE
        )
        at_5_s = read_tally(
            connection, measured_of(app, "latency", limit=5_000.0), NOW - WINDOW, NOW + MINUTE
        )
    assert (at_2_s.n, at_2_s.bad_n) == (9, 2)
    assert (at_5_s.n, at_5_s.bad_n) == (9, 0)


def test_filters_leave_other_models_out(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, (), [*counts_of(NOW, 7, 2), *counts_of(NOW, 3, 1, model="small")])
    only = measured_of(app, filters=Filters(model="small"))
    with engine.connect() as connection:
        tally = read_tally(connection, only, NOW - HOUR, NOW + MINUTE)
        reading = read(connection, only)
    assert (tally.n, tally.bad_n) == (4, 1)
    assert reading.budget == tally


def test_time_slices_are_good_or_bad_as_a_whole(engine: Engine) -> None:
    app = declare_app(engine)
    start = NOW - HOUR
    bad = [*counts_of(start, 1, 1), *counts_of(start + MINUTE, 9, 0)]  # 10 % in its first slice
    good = [count for at in range(5, 30) for count in counts_of(start + at * MINUTE, 10, 0)]
    post(engine, app, (), [*bad, *good])
    strict = measured_of(app, budgeting=Budgeting("timeslices", 5 * MINUTE, 0.95))
    ratios = measured_of(app, budgeting=Budgeting("ratio_timeslices", 5 * MINUTE))
    with engine.connect() as connection:
        tally = read_tally(connection, strict, start, NOW)
        mean = read_tally(connection, ratios, start, NOW)
        reading = read(connection, strict)
    assert (tally.n, tally.bad_n) == (6, 1)
    assert mean.bad_ratio == pytest.approx((1 / 11) / 6)
    assert reading.budget == tally


def test_cost_is_judged_by_the_mean_of_a_slice(engine: Engine) -> None:
    app = declare_app(engine)
    dear = counts_of(NOW - HOUR, 1, 1)  # 0.255 USD a call
    cheap = counts_of(NOW - 2 * HOUR, 5, 0)
    post(engine, app, (), [*dear, *cheap])
    cost = measured_of(app, "cost", limit=0.02, budgeting=Budgeting("timeslices", HOUR, 1.0))
    with engine.connect() as connection:
        tally = read_tally(connection, cost, NOW - DAY, NOW)
    assert (tally.n, tally.bad_n) == (2, 1)


def test_freshness_counts_the_slices_without_calls_since_the_first(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, (), [*counts_of(NOW - 10 * HOUR, 1, 0), *counts_of(NOW - 4 * HOUR, 1, 0)])
    fresh = measured_of(app, "freshness", budgeting=Budgeting("timeslices", HOUR, 1.0))
    slo = Slo("s", "support", fresh.indicator, 0.5, WINDOW, (A_DAY,), budgeting=fresh.budgeting)
    with engine.connect() as connection:
        (reading,) = read_slos(connection, [Wanted(slo, fresh)], now=NOW)
    assert (reading.budget.n, reading.budget.bad_n) == (10, 8)


def test_a_composite_weighs_its_parts_whatever_their_traffic(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, (), [*counts_of(NOW, 900, 100), *counts_of(NOW, 5, 5, model="small")])
    parts = tuple(
        (measured_of(app, filters=Filters(model=model)), weight)
        for model, weight in (("gpt-4", 3.0), ("small", 1.0))
    )
    whole = Measured(app.id, parts[0][0].indicator, None, parts=parts)
    with engine.connect() as connection:
        tally = read_tally(connection, whole, NOW - HOUR, NOW + MINUTE)
        reading = read(connection, whole)
    assert tally.bad_ratio == pytest.approx(0.75 * 0.1 + 0.25 * 0.5)
    assert reading.budget.bad_ratio == pytest.approx(tally.bad_ratio)
    assert tally.effective_n < 200  # half of the doubt comes from ten calls


def test_a_calendar_budget_begins_with_its_month(engine: Engine) -> None:
    app = declare_app(engine)
    first = datetime(2026, 11, 1, tzinfo=UTC)
    post(engine, app, (), [*counts_of(first - MINUTE, 1, 1), *counts_of(first, 2, 3)])
    measured = measured_of(app)
    month = Calendar("month", 1, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    tiers = propose_catalogue(0.9, WINDOW)
    slo = Slo("s", "support", measured.indicator, 0.9, WINDOW, tiers, calendar=month)
    with engine.connect() as connection:
        (reading,) = read_slos(connection, [Wanted(slo, measured)], now=NOW)
    assert (reading.budget.n, reading.budget.bad_n) == (5, 3)


def test_a_mean_counts_what_is_short_of_one() -> None:
    scores = [Tally.from_score(value, 2.0, bad=False) for value in (1.0, 0.7, 0.4)]
    mean = Tally.sum(scores).of_mean()
    assert mean.bad_ratio == pytest.approx(0.3)
    assert mean.effective_n == pytest.approx(3)
    assert Tally.ZERO.of_mean() == Tally.ZERO
