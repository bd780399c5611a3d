"""A replay of history raises what the evaluation raised at the time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from time import perf_counter

import pytest
from sqlalchemy import Engine

from evaluators import registry as evaluator_registry
from service.domain.alert_windows import AlertTier
from service.domain.budget_windows import Calendar
from service.domain.corrections import CorrectionScope
from service.domain.indicators import Indicator, Member
from service.domain.slos import Budgeting, Slo
from service.flows.backtest_slos import (
    Backtest,
    ImpossibleRangeError,
    Range,
    backtest_slos,
)
from service.flows.correct_budget import correct_budget
from service.flows.evaluate_slos import evaluate_slos
from service.flows.score_samples import score_samples
from service.specs.write_slos import write_slos
from service.store import partitions
from service.store.apps import App
from service.store.call_counts import add_call_counts
from service.store.slos import put_slo
from tests.declared import NOW, PRIME, a_count, a_sample, declare_app, declare_task, post

REGISTRY = evaluator_registry.load()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TIERS = (
    AlertTier.of("page", 60 * MINUTE, 4.0, DAY),
    AlertTier.of("ticket", 120 * MINUTE, 1.5, DAY),
)
CALLS = Indicator("availability", "answer", "production")
SHAPES = {
    "calls": (CALLS, Budgeting()),
    "quality": (Indicator("quality", "answer", "production", "expected_answer"), Budgeting()),
    "mean": (Indicator("mean", "answer", "production", "expected_answer"), Budgeting()),
    "slices": (CALLS, Budgeting("timeslices", 5 * MINUTE, 0.9)),
    "ratios": (CALLS, Budgeting("ratio_timeslices", 2 * MINUTE)),
    "freshness": (
        Indicator("freshness", "answer", "production"),
        Budgeting("timeslices", 5 * MINUTE, 0.9),
    ),
}

OF_MEANS = ("mean", "ratios")
"""Here the evaluation rounds up window by window, so that it may say a few bad ones more."""


def declare(engine: Engine, app: App, name: str, indicator: Indicator, budgeting: Budgeting) -> Slo:
    slo = Slo(name, app.name, indicator, 0.9, DAY, TIERS, budgeting=budgeting)
    with engine.begin() as connection:
        put_slo(connection, app.id, slo, display_name=name)
    return slo


def story(minute: int) -> tuple[int, float] | None:
    """Calls of a minute and the share that fails; None: silence."""
    if 330 <= minute < 345:
        return None
    if 150 <= minute < 190:
        return 8, 0.7
    return 8, 0.3 if 230 <= minute < 260 else 0.02


def live(engine: Engine, app: App, start: datetime, minutes: int) -> Iterator[datetime]:
    """Post each minute once it is over; says the time after each."""
    chance = Random(5)
    for minute in range(minutes):
        at = start + minute * MINUTE
        told = story(minute)
        if told is not None:
            calls, bad_share = told
            bad = sum(chance.random() < bad_share for _ in range(calls))
            counts = [a_count(calls - bad, minute=at), a_count(bad, outcome="error", minute=at)]
            samples = [
                a_sample(
                    called_at=at + timedelta(seconds=second),
                    response="[No]" if second < bad else "[Yes]",
                    keep_probability=0.3 if second % 2 else 1.0,
                )
                for second in range(calls)
            ]
            post(engine, app, samples, counts, now=at + MINUTE)
            while score_samples(engine, REGISTRY, clock=lambda: NOW, lease=MINUTE):
                pass
        yield at + MINUTE


def replayed(engine: Engine, slos: list[Slo], start: datetime, end: datetime) -> list[Backtest]:
    text = write_slos([(slo, slo.name) for slo in slos])
    over = Range.of(start, end, now=end)
    return backtest_slos(engine, REGISTRY, [("slo.yaml", text)], {}, over)


def test_it_raises_what_the_evaluation_of_every_minute_raised(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    slos = [declare(engine, app, name, *shape) for name, shape in SHAPES.items()]
    parts = (Member("calls", 3.0), Member("quality", 1.0))
    both = Indicator("composite", "", "production", members=parts)
    slos.append(declare(engine, app, "both", both, Budgeting()))
    start = NOW - 7 * HOUR
    severities: dict[str, list[tuple[datetime, str | None, str]]] = {s.name: [] for s in slos}
    for now in live(engine, app, start, 400):
        for name, verdict in evaluate_slos(engine, REGISTRY, now=now).items():
            seen = severities[name.partition("/")[2]]
            severity = verdict.severity
            if severity != (seen[-1][1] if seen else None):
                seen.append((now, severity, verdict.sentence))
    end = start + 400 * MINUTE
    assert sum(len(each) for each in severities.values()) > 10
    for found in replayed(engine, slos, start, end):
        assert found.is_unchanged
        name, raised = found.declared.slo.name, found.declared.raised
        told = _told(severities[name])
        assert [(each.at, each.severity) for each in raised] == [each[:2] for each in told], name
        if name not in OF_MEANS:
            assert [each.sentence for each in raised] == [each[2] for each in told]
        cleared = {at for at, severity, _ in severities[name] if not severity}
        assert {each.until for each in raised} - {None} == cleared


def _told(seen: list[tuple[datetime, str | None, str]]) -> list[tuple[datetime, str, str]]:
    """What somebody is told of: once per alert and severity, and only of a rise."""
    told: list[tuple[datetime, str, str]] = []
    known: set[str] = set()
    for at, severity, sentence in seen:
        if severity is None:
            known = set()
        elif "page" not in known and severity not in known:
            known.add(severity)
            told.append((at, severity, sentence))
    return told


def test_what_is_declared_stands_beside_what_is_in_force(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app)
    slo = declare(engine, app, "calls", *SHAPES["calls"])
    start = NOW - 5 * HOUR
    counts = [a_count(9, minute=start + n * MINUTE) for n in range(300)]
    failed = [a_count(9, outcome="error", minute=start + n * MINUTE) for n in range(120, 150)]
    post(engine, app, (), counts + failed)
    stricter = replace(slo, objective=0.99)
    (found,) = replayed(engine, [stricter], start, NOW)
    assert found.in_force is not None
    assert not found.is_unchanged
    assert found.declared.raised[0].at < found.in_force.raised[0].at
    spent = [each.budget[-1].budget.spent for each in (found.declared, found.in_force)]
    assert spent == [pytest.approx((270 / 2970) / 0.01), pytest.approx((270 / 2970) / 0.1)]


def test_a_correction_takes_its_minutes_out_of_the_past(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app)
    slo = declare(engine, app, "calls", *SHAPES["calls"])
    start = NOW - 5 * HOUR
    counts = [a_count(9, minute=start + n * MINUTE) for n in range(300)]
    failed = [a_count(9, outcome="error", minute=start + n * MINUTE) for n in range(120, 150)]
    post(engine, app, (), counts + failed)
    assert replayed(engine, [slo], start, NOW)[0].declared.raised
    begin = start + 120 * MINUTE
    correct_budget(
        engine,
        app,
        CorrectionScope(),
        starts_at=begin,
        ends_at=begin + 30 * MINUTE,
        reason="a drill",
        author="ann",
        now=NOW,
    )
    (found,) = replayed(engine, [slo], start, NOW)
    assert found.declared.raised == ()
    assert found.declared.budget[-1].budget.spent == 0


def test_a_month_of_minutes_takes_seconds_and_a_calendar_its_own_budget(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app)
    days = Calendar("day", 1, "UTC", NOW - 300 * DAY)
    slo = replace(declare(engine, app, "calls", *SHAPES["calls"]), calendar=days)
    start = NOW - 30 * DAY
    partitions.ensure(engine, [start + n * DAY for n in range(31)])
    counts = [a_count(20, minute=start + n * MINUTE) for n in range(30 * 24 * 60)]
    bad = range(14 * 24 * 60, 14 * 24 * 60 + 50)
    counts += [a_count(20, outcome="error", minute=start + n * MINUTE) for n in bad]
    with engine.begin() as connection:
        add_call_counts(connection, app.id, counts)
    began = perf_counter()
    (found,) = replayed(engine, [slo], start, NOW)
    assert perf_counter() - began < 20
    assert [each.severity for each in found.declared.raised] == ["ticket", "page"]
    spent = [each.budget.spent for each in found.declared.budget]
    assert sum(value is not None and value > 0 for value in spent) == 1
    assert len(spent) == 31


def test_a_stretch_without_minutes_is_refused() -> None:
    with pytest.raises(ImpossibleRangeError, match="begins before it ends"):
        Range.of(NOW, NOW - HOUR, now=NOW)
    with pytest.raises(ImpossibleRangeError, match="366 days"):
        Range.of(NOW - 400 * DAY, NOW, now=NOW)
