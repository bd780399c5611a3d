"""What comes after "resolved": evaluations of real rows that page again, or do not."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from evaluators import registry as evaluator_registry
from service.domain.calls import CallCount
from service.domain.incidents import AlertSignal
from service.flows.evaluate_slos import evaluate_slos
from service.flows.open_incident import raise_alert
from service.flows.resolve_incident import resolve_incident
from service.store.apps import App
from service.store.slos import read_states
from tests.declared import NOW, a_count, declare_app, declare_slo, post
from tests.flows.incident_fixtures import rows

REGISTRY = evaluator_registry.load()
MINUTE = timedelta(minutes=1)
EVALUATED_EVERY = timedelta(seconds=15)


def _calls(
    start: datetime, minutes: int, *, failed: bool = False, per_minute: int = 60
) -> list[CallCount]:
    outcome = "error" if failed else "ok"
    return [a_count(per_minute, outcome=outcome, minute=start + n * MINUTE) for n in range(minutes)]


def _evaluate(engine: Engine, since: datetime, until: datetime, step: timedelta) -> None:
    now = since
    while now <= until:
        evaluate_slos(engine, REGISTRY, now=now)
        now += step


def _incidents(engine: Engine) -> list[tuple[int, str, str | None, int]]:
    query = "SELECT id, severity, resolved_by, reopenings FROM incidents ORDER BY id"
    return [(row[0], row[1], row[2], row[3]) for row in rows(engine, query)]


@pytest.fixture
def burning(engine: Engine) -> App:
    """An app that has failed for an hour; its page is incident 1."""
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    start = NOW - 120 * MINUTE
    post(engine, app, (), _calls(start, 60) + _calls(start + 60 * MINUTE, 60, failed=True))
    evaluate_slos(engine, REGISTRY, now=NOW)
    assert _incidents(engine) == [(1, "page", None, 0)]
    return app


# On two calls a minute, a good short window proves little: hysteresis alone would go on firing.
@pytest.mark.parametrize("per_minute", [60, 2])
@pytest.mark.parametrize("good_minutes", [1, 3, 10])
def test_resolving_after_a_mend_pages_nobody_again(
    engine: Engine, burning: App, good_minutes: int, per_minute: int
) -> None:
    mended_at = NOW + good_minutes * MINUTE
    _evaluate(engine, NOW, mended_at - MINUTE, MINUTE)
    good = _calls(NOW, 90, per_minute=per_minute)
    post(engine, burning, (), good, now=NOW + 90 * MINUTE)
    resolve_incident(engine, 1, by="Ann", now=mended_at, note="rolled back")
    with engine.connect() as connection:
        (state,) = read_states(connection).values()
    assert state.verdict["alerting_tiers"] == []
    _evaluate(engine, mended_at + EVALUATED_EVERY, mended_at + 3 * MINUTE, EVALUATED_EVERY)
    _evaluate(engine, mended_at + 3 * MINUTE, NOW + 80 * MINUTE, MINUTE)
    assert "page" not in [severity for _, severity, *_ in _incidents(engine)[1:]]


def test_resolving_pages_nobody_again_though_evaluation_stood_still(
    engine: Engine, burning: App
) -> None:
    post(engine, burning, (), _calls(NOW, 20, per_minute=2), now=NOW + 20 * MINUTE)
    resolve_incident(engine, 1, by="Ann", now=NOW + 3 * MINUTE)
    _evaluate(engine, NOW + 12 * MINUTE, NOW + 19 * MINUTE, MINUTE)
    assert "page" not in [severity for _, severity, *_ in _incidents(engine)[1:]]


def test_a_fault_that_a_person_resolved_too_early_opens_a_new_incident(
    engine: Engine, burning: App
) -> None:
    post(engine, burning, (), _calls(NOW, 20, failed=True), now=NOW + 20 * MINUTE)
    resolve_incident(engine, 1, by="Ann", now=NOW + MINUTE)
    _evaluate(engine, NOW + MINUTE, NOW + 6 * MINUTE, MINUTE)
    assert _incidents(engine) == [(1, "page", "Ann", 0)]
    _evaluate(engine, NOW + 7 * MINUTE, NOW + 9 * MINUTE, MINUTE)
    assert _incidents(engine) == [(1, "page", "Ann", 0), (2, "page", None, 0)]


def test_a_fault_that_comes_and_goes_is_one_incident(engine: Engine) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    start = NOW - 6 * 60 * MINUTE
    history = _calls(start - timedelta(days=3), 3 * 24 * 60)
    hourly = [
        count
        for hour in range(6)
        for count in (
            *_calls(start + 60 * hour * MINUTE, 12, failed=True),
            *_calls(start + (60 * hour + 12) * MINUTE, 48),
        )
    ]
    post(engine, app, (), history + hourly)
    _evaluate(engine, start, NOW, 3 * MINUTE)
    ((_, severity, _, reopenings),) = _incidents(engine)
    assert severity == "page"
    assert reopenings >= 1


def a_drift(alarmed_at: datetime) -> AlertSignal:
    """A drift whose alarm is held for a day."""
    return AlertSignal(
        source="drift/support/production/answer/length",
        kind="drift",
        app_id=1,
        app="support",
        environment="production",
        task="answer",
        severity="ticket",
        title="length drifted",
        sentence="shorter",
        evidence={"alarmed_at": alarmed_at.isoformat()},
    )


def test_a_drift_that_a_person_resolved_comes_back_only_with_a_later_alarm(engine: Engine) -> None:
    declare_app(engine)
    with engine.begin() as connection:
        first = raise_alert(connection, a_drift(NOW), now=NOW + MINUTE)
    resolve_incident(engine, first.id, by="ann", now=NOW + 2 * MINUTE)
    with engine.begin() as connection:
        held = raise_alert(connection, a_drift(NOW), now=NOW + 3 * MINUTE)
        later = NOW + 60 * MINUTE
        again = raise_alert(connection, a_drift(later), now=later + MINUTE)
    assert held.id == first.id
    assert again.id != first.id
