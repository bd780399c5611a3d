"""A replay of history raises what the evaluation raised at the time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import Engine

from evaluators import registry as evaluator_registry
from service.domain.alert_windows import AlertTier
from service.domain.indicators import Indicator, Member
from service.domain.slos import Budgeting, Slo
from service.flows.backtest_slos import Backtest, Range, backtest_slos
from service.flows.evaluate_slos import evaluate_slos
from service.flows.score_samples import score_samples
from service.specs.write_slos import write_slos
from service.store.apps import App
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
"""The evaluation rounds the number of bad ones up window by window, so that it may say a few more."""


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
