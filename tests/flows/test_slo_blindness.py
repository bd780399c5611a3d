"""Three answers: when a real stream of counts is healthy, firing or unknown."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from sqlalchemy import Engine, select

from evaluators import registry as evaluator_registry
from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier
from evaluators.registry import Entry, Registry
from service.domain.burn_rate import SloVerdict
from service.domain.calls import CallCount
from service.flows.evaluate_slos import evaluate_slos
from service.flows.score_samples import score_samples
from service.store import tables
from service.store.apps import App
from service.store.slos import put_slo
from service.store.tasks import EvaluatorChoice
from tests.declared import (
    NOW,
    PRIME,
    a_count,
    a_sample,
    declare_app,
    declare_slo,
    declare_task,
    post,
)

REGISTRY = evaluator_registry.load()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NAME = "support/answers-correct"


def every_minute(
    start: datetime, end: datetime, calls: int, *, failed: bool = False
) -> Iterator[CallCount]:
    minute = start
    while minute < end:
        yield a_count(calls, outcome="error" if failed else "ok", minute=minute)
        minute += MINUTE


def judge(engine: Engine, now: datetime, registry: Registry = REGISTRY) -> SloVerdict:
    while score_samples(engine, registry, clock=lambda: now, lease=HOUR):
        pass
    return evaluate_slos(engine, registry, now=now)[NAME]


@pytest.mark.parametrize("per_minute", [2, 8, 60, 1000])
@pytest.mark.parametrize("second", [0, 25, 59])
def test_a_total_outage_fires_the_fastest_tier_at_any_traffic(
    engine: Engine, per_minute: int, second: int
) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    post(engine, app, (), every_minute(NOW - 8 * DAY, NOW - 45 * MINUTE, per_minute))
    # The newest minute's counts are still on their way.
    post(engine, app, (), every_minute(NOW - 45 * MINUTE, NOW - MINUTE, per_minute, failed=True))
    verdict = judge(engine, NOW + timedelta(seconds=second))
    fastest = verdict.tiers[0]
    assert (fastest.tier.long, fastest.status) == (HOUR, "firing")


def test_calls_without_their_samples_are_unknown_not_healthy(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    declare_slo(engine, app)
    minutes = (NOW - 9 * HOUR + n * MINUTE for n in range(8 * 60))
    post(engine, app, [a_sample(called_at=at) for at in minutes])
    post(engine, app, (), every_minute(NOW - 9 * HOUR, NOW, 10))
    verdict = judge(engine, NOW)
    assert verdict.status == "unknown"
    assert verdict.sentence.startswith("no scored answer for 1 h")


def test_samples_without_call_counts_are_judged(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    declare_slo(engine, app)
    wrong = (
        a_sample(called_at=NOW - 2 * HOUR + n * 4 * timedelta(seconds=1), response="[No]")
        for n in range(1800)
    )
    post(engine, app, wrong)
    assert judge(engine, NOW).status == "firing"


class Fragile:
    """Raises on every wrong answer."""

    name: ClassVar[str] = "expected_answer"
    revision: ClassVar[str] = "1"
    unit: ClassVar[str | None] = None
    tier: ClassVar[Tier] = "cheap"
    reads_contract: ClassVar[bool] = False
    Config: ClassVar[type[EvaluatorConfig]] = EvaluatorConfig

    def __init__(self, config: EvaluatorConfig, task: Task) -> None: ...

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
        if any(sample.response == "[No]" for sample in samples):
            raise ValueError("cannot read it")
        return [Score(1.0) for _ in samples]


def test_answers_that_the_evaluator_fails_on_are_not_left_out_silently(engine: Engine) -> None:
    registry = Registry({"expected_answer": Entry("tests", lambda: Fragile)})
    app = declare_app(engine)
    declare_task(engine, app, EvaluatorChoice("expected_answer", {}, None))
    declare_slo(engine, app)
    post(engine, app, [a_sample(called_at=at, response=r) for at, r in _mixed()])
    verdict = judge(engine, NOW, registry)
    assert verdict.status == "unknown"
    assert "their evaluator fails" in verdict.sentence


def _mixed() -> Iterator[tuple[datetime, str]]:
    for n in range(3 * 60 * 4):
        yield NOW - 3 * HOUR + n * 15 * timedelta(seconds=1), "[No]" if n % 5 < 2 else "[Yes]"


def office_hours(engine: Engine, app: App, until: datetime) -> None:
    day = NOW - 15 * DAY
    while day < until:
        if day.weekday() < 5:
            opening = day.replace(hour=9, minute=0)
            post(engine, app, (), every_minute(opening, opening + 8 * HOUR, 5), now=until)
        day += DAY


@pytest.mark.parametrize("at", [NOW - DAY + 8 * HOUR, NOW - 10 * HOUR, NOW])
def test_nights_and_weekends_are_not_blindness(engine: Engine, at: datetime) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    office_hours(engine, app, NOW)
    post(engine, app, (), every_minute(NOW.replace(hour=9), NOW, 5))
    assert judge(engine, at).status == "healthy"


def test_silence_in_office_hours_is_blindness(engine: Engine) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    office_hours(engine, app, NOW - DAY)
    verdict = judge(engine, NOW.replace(hour=9, minute=15))
    assert verdict.status == "unknown"
    assert "were to be expected" in verdict.sentence


def test_a_new_declaration_during_silence_resolves_nothing(engine: Engine) -> None:
    app = declare_app(engine)
    slo = declare_slo(engine, app, evaluator=None, objective=0.99)
    post(engine, app, (), every_minute(NOW - 2 * HOUR, NOW, 10, failed=True))
    assert judge(engine, NOW).severity == "page"
    tiers = tuple(
        type(tier).of(tier.severity, tier.long, tier.factor * 1.05, slo.window)
        for tier in slo.tiers
    )
    with engine.begin() as connection:
        changed = type(slo)(slo.name, slo.app, slo.indicator, slo.objective, slo.window, tiers)
        put_slo(connection, app.id, changed, display_name="changed")
    verdict = judge(engine, NOW + 45 * MINUTE)
    assert (verdict.status, verdict.severity) == ("unknown", "page")
    with engine.connect() as connection:
        incident = connection.execute(select(tables.incidents)).one()
    assert incident.resolved_at is None


def test_one_slo_that_cannot_be_read_does_not_stop_the_others(engine: Engine) -> None:
    app, elsewhere = declare_app(engine), declare_app(engine, "elsewhere")
    for each in (app, elsewhere):
        declare_slo(engine, each, evaluator=None, objective=0.99)
        post(engine, each, (), every_minute(NOW - HOUR, NOW, 10))
    with engine.begin() as connection:
        of_elsewhere = tables.call_counts.c.app_id == elsewhere.id
        connection.execute(tables.call_counts.update().where(of_elsewhere).values(squares=-1.0))
    assert evaluate_slos(engine, REGISTRY, now=NOW).keys() == {NAME}
