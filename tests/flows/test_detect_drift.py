from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import Engine, func, select

from evaluators import registry as evaluator_registry
from service.domain.calls import CallCount, NewSample
from service.domain.drift.verdict import DriftVerdict
from service.flows.detect_drift import detect_drift
from service.flows.score_samples import score_samples
from service.settings import Settings
from service.store import tables
from service.store.apps import App
from tests.declared import LENGTH, NOW, a_count, a_sample, declare_app, declare_task, post

REGISTRY = evaluator_registry.load()
HOUR = timedelta(hours=1)
START = NOW - timedelta(days=10)


def answers(start: datetime, hours: int, *, length: int, per_hour: int = 8) -> Iterator[NewSample]:
    chance = Random(start.timestamp())
    for hour in range(hours):
        for n in range(per_hour):
            at = start + hour * HOUR + n * HOUR / per_hour
            yield a_sample(called_at=at, response="x" * int(chance.gauss(length, length / 5)))


def calls(start: datetime, hours: int) -> list[CallCount]:
    return [a_count(8, minute=start + n * HOUR) for n in range(hours)]


def judge(engine: Engine, *, now: datetime = NOW) -> DriftVerdict:
    while score_samples(engine, REGISTRY, clock=lambda: now, lease=HOUR):
        pass
    (verdict,) = detect_drift(engine, REGISTRY, Settings(), now=now).values()
    return verdict


@pytest.fixture
def app(engine: Engine) -> App:
    """Ten days of history; the reference is their first seven."""
    app = declare_app(engine)
    declare_task(engine, app, LENGTH, drift=("length",))
    post(engine, app, answers(START, 9 * 24, length=500), calls(START, 10 * 24))
    return app


def test_answers_that_get_shorter_are_drift_and_open_a_ticket(engine: Engine, app: App) -> None:
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=250))
    verdict = judge(engine)
    assert verdict.status == "firing"
    with engine.connect() as connection:
        incident = connection.execute(select(tables.incidents)).one()
    assert (incident.severity, incident.task) == ("ticket", "answer")
    assert "characters" in incident.summary


def test_answers_that_stay_as_they_were_are_healthy(engine: Engine, app: App) -> None:
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=500))
    assert judge(engine).status == "healthy"
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.incidents)) == 0


def test_too_little_history_is_warming_up(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, LENGTH, drift=("length",))
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=500), calls(NOW - 24 * HOUR, 24))
    verdict = judge(engine)
    assert (verdict.status, verdict.reason) == ("unknown", "warming_up")


def test_counts_are_the_same_whether_scored_before_or_after_the_reference_was_built(
    engine: Engine, app: App
) -> None:
    judge(engine)  # builds the reference and counts what is there
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=500))  # counted as it is scored
    judge(engine)
    with engine.connect() as connection:
        reference = connection.execute(select(tables.drift_references)).one()
        counted = connection.scalar(select(func.sum(tables.drift_counts.c.n)))
        after = tables.scores.c.called_at >= reference.ends_at
        scored = connection.scalar(select(func.count()).where(after))
    assert (reference.starts_at, reference.ends_at) == (START, START + timedelta(days=7))
    assert counted == scored == 3 * 24 * 8


def test_a_late_call_within_the_reference_changes_nothing(engine: Engine, app: App) -> None:
    before = judge(engine)
    post(engine, app, [a_sample(called_at=START + HOUR, response="late")])
    assert judge(engine) == before


def test_drift_that_ended_resolves_its_incident_a_day_later(engine: Engine, app: App) -> None:
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=250))
    assert judge(engine).status == "firing"
    later = NOW + 30 * HOUR
    post(engine, app, answers(NOW, 30, length=500), calls(NOW, 30), now=later)
    assert judge(engine, now=later).status == "healthy"
    with engine.connect() as connection:
        incident = connection.execute(select(tables.incidents)).one()
    assert incident.resolved_by == "watchkeeper"
