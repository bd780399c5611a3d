from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from evaluators import registry as evaluator_registry
from service.domain.calls import NewSample
from service.flows.evaluate_slos import evaluate_slos
from service.flows.score_samples import score_samples
from service.store import tables
from service.store.slos import read_states
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
MINUTE = timedelta(minutes=1)


def answers(start: datetime, minutes: int, *, right: bool) -> Iterator[NewSample]:
    """Ten answers a minute."""
    for minute in range(minutes):
        for second in range(0, 60, 6):
            at = start + minute * MINUTE + timedelta(seconds=second)
            yield a_sample(called_at=at, response="[Yes]" if right else "[No]")


def calls(start: datetime, minutes: int, *, failed: bool = False) -> list[object]:
    outcome = "error" if failed else "ok"
    return [a_count(10, outcome=outcome, minute=start + n * MINUTE) for n in range(minutes)]


def score_all(engine: Engine, now: datetime = NOW) -> None:
    while score_samples(engine, REGISTRY, clock=lambda: now, lease=MINUTE):
        pass


def rows(engine: Engine, table: object) -> list[object]:
    with engine.connect() as connection:
        return list(connection.execute(select(table)))  # type: ignore[call-overload]


def test_quality_that_falls_opens_one_incident_however_often_it_is_judged(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    declare_slo(engine, app)
    start = NOW - 3 * 60 * MINUTE
    post(engine, app, answers(start, 90, right=True), calls(start, 180))
    post(engine, app, answers(start + 90 * MINUTE, 90, right=False))
    score_all(engine)
    for n in range(3):
        verdicts = evaluate_slos(engine, REGISTRY, now=NOW + n * MINUTE)
        assert verdicts["support/answers-correct"].status == "firing"
    (incident,) = rows(engine, tables.incidents)
    assert (incident.severity, incident.problem) == ("page", "support/production/answer")
    assert "did not pass expected_answer" in incident.summary


def test_a_recovered_slo_resolves_its_incident_by_itself(engine: Engine) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    start = NOW - 120 * MINUTE
    post(engine, app, (), calls(start, 60) + calls(start + 60 * MINUTE, 60, failed=True))
    assert evaluate_slos(engine, REGISTRY, now=NOW)["support/answers-correct"].severity == "page"
    post(engine, app, (), calls(NOW, 240), now=NOW + 240 * MINUTE)
    later = NOW + 240 * MINUTE
    verdict = evaluate_slos(engine, REGISTRY, now=later)["support/answers-correct"]
    assert verdict.severity != "page"
    post(engine, app, (), calls(later, 60 * 24 * 4), now=later + timedelta(days=4))
    after = later + timedelta(days=4)
    verdict = evaluate_slos(engine, REGISTRY, now=after)["support/answers-correct"]
    assert verdict.status == "healthy"
    (incident,) = rows(engine, tables.incidents)
    assert incident.resolved_by == "watchkeeper"


def test_silence_is_unknown_and_neither_opens_nor_resolves(engine: Engine) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    start = NOW - 120 * MINUTE
    post(engine, app, (), calls(start, 60) + calls(start + 60 * MINUTE, 60, failed=True))
    evaluate_slos(engine, REGISTRY, now=NOW)
    verdict = evaluate_slos(engine, REGISTRY, now=NOW + 45 * MINUTE)["support/answers-correct"]
    assert (verdict.status, verdict.severity) == ("unknown", "page")
    (incident,) = rows(engine, tables.incidents)
    assert incident.resolved_at is None


def test_a_scoring_backlog_is_unknown_not_healthy(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    slo = declare_slo(engine, app)
    start = NOW - 120 * MINUTE
    post(engine, app, answers(start, 60, right=True), calls(start, 120))
    score_all(engine)
    post(engine, app, answers(start + 60 * MINUTE, 60, right=True))
    verdict = evaluate_slos(engine, REGISTRY, now=NOW)[f"support/{slo.name}"]
    assert verdict.status == "unknown"
    assert "have no score" in verdict.sentence


def test_the_stored_state_explains_itself_with_raw_values_and_bounds(engine: Engine) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.99)
    start = NOW - 120 * MINUTE
    post(engine, app, (), calls(start, 119) + calls(start + 119 * MINUTE, 1, failed=True))
    evaluate_slos(engine, REGISTRY, now=NOW)
    with engine.connect() as connection:
        (state,) = read_states(connection).values()
    assert state.verdict["attainment"]["n"] == 1200
    assert abs(state.verdict["budget"]["spent"] - (10 / 1200) / 0.01) < 1e-9
    first = state.verdict["tiers"][0]
    assert first["long_burn_at_least"] <= first["long_burn"]


def test_an_slo_whose_evaluator_is_gone_is_unknown_and_says_so(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, EvaluatorChoice("gone", {}, None))
    declare_slo(engine, app, evaluator="gone")
    verdict = evaluate_slos(engine, REGISTRY, now=NOW)["support/answers-correct"]
    assert verdict.status == "unknown"
    assert verdict.sentence.startswith("gone is not in force on the task answer")
