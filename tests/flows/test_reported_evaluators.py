"""SLOs on what an app's own evaluations say, which nothing here can score again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select

from evaluators import registry
from service.domain.calls import Batch, NewSample
from service.domain.scores import ReportedScore
from service.flows.apply_declarations import apply_declarations
from service.flows.evaluate_slos import evaluate_slos
from service.flows.ingest_batches import Post, ingest_batches
from service.specs.problems import InvalidDeclarationError
from service.store import tables
from service.store.apps import find_app
from tests.declared import NOW, RETENTION, a_sample

REGISTRY = registry.load()
MINUTE = timedelta(minutes=1)
DECLARED = """
apiVersion: watchkeeper/v1
kind: App
metadata: {name: support}
spec: {team: care}
---
apiVersion: watchkeeper/v1
kind: Task
metadata: {name: answer}
spec:
  app: support
  evaluators:
    - {name: toxicity, reported: true%s}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: polite}
spec:
  service: support
  indicator:
    spec:
      ratioMetric:
        good:
          metricSource:
            type: watchkeeper
            spec: {task: answer, evaluator: toxicity, verdict: pass}
        total: {metricSource: {type: watchkeeper, spec: {task: answer, evaluator: toxicity}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.95}]
"""
AT_MOST = ", passes: {atMost: 0.2}"


def declare(engine: Engine, more: str = AT_MOST) -> None:
    apply_declarations(engine, REGISTRY, [("a.yaml", DECLARED % more)], {}, now=NOW)


def answers(start: datetime, minutes: int) -> Iterator[NewSample]:
    """Ten answers a minute."""
    for minute in range(minutes):
        for second in range(0, 60, 6):
            yield a_sample(called_at=start + minute * MINUTE + timedelta(seconds=second))


def post(engine: Engine, samples: list[NewSample], value: float, label: str = "") -> None:
    scores = tuple(
        ReportedScore(sample.sample_id, "toxicity", value, label, "") for sample in samples
    )
    with engine.connect() as connection:
        app = find_app(connection, "support")
    assert app is not None
    batch = Batch(uuid4(), samples=dict(enumerate(samples)), scores=scores)
    (outcome,) = ingest_batches(
        engine, [Post(0, app, batch)], now=NOW, retention_of=lambda _app: RETENTION
    )
    assert not isinstance(outcome, Exception)


def status(engine: Engine) -> str:
    return evaluate_slos(engine, REGISTRY, now=NOW)["support/polite"].status


def test_an_slo_on_a_reported_evaluator_is_judged_and_fires(engine: Engine) -> None:
    declare(engine)
    start = NOW - 180 * MINUTE
    post(engine, list(answers(start, 90)), 0.01)
    assert status(engine) != "firing"
    post(engine, list(answers(start + 90 * MINUTE, 90)), 0.9)
    # Nothing has been scored here: the waiting jobs are no backlog of what the app reports.
    assert status(engine) == "firing"
    with engine.connect() as connection:
        (incident,) = connection.execute(select(tables.incidents)).all()
    assert "did not pass toxicity" in incident.summary


def test_a_good_app_is_healthy_by_its_own_evaluation(engine: Engine) -> None:
    declare(engine)
    post(engine, list(answers(NOW - 180 * MINUTE, 180)), 0.01)
    assert status(engine) == "healthy"
    with engine.connect() as connection:
        assert connection.execute(select(tables.incidents)).all() == []
        versions = set(connection.scalars(select(tables.sli_minutes.c.evaluator_version)))
    assert len(versions) == 1


def test_a_new_rule_begins_a_version_of_its_own(engine: Engine) -> None:
    declare(engine, "")
    sample = a_sample()
    post(engine, [sample], 0.9)
    declare(engine, AT_MOST)
    post(engine, [a_sample()], 0.9)
    with engine.connect() as connection:
        found = connection.execute(
            select(tables.scores.c.evaluator_version, tables.scores.c.passed)
        ).all()
    assert {(version == "reported", passed) for version, passed in found} == {
        (True, True),
        (False, False),
    }


def test_scores_of_a_call_that_was_stored_before_count_in_its_own_minute(engine: Engine) -> None:
    declare(engine)
    sample = a_sample(called_at=NOW - 60 * MINUTE, release="7")
    post(engine, [sample], 4.0, "pass")
    again = sample._replace(release="8")  # the app says otherwise now; the stored call counts
    post(engine, [again], 4.0, "pass")
    with engine.connect() as connection:
        (row,) = connection.execute(select(tables.sli_minutes)).all()
    assert (row.minute, row.release, row.n) == (NOW - 60 * MINUTE, "7", 1)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (", config: {a: 1}", "reported: true without config"),
        ("}\n  drift: [toxicity]\n  contract: {type: object", "evaluators that score here"),
    ],
)
def test_what_a_reported_evaluator_cannot_have_is_refused(
    engine: Engine, more: str, told: str
) -> None:
    with pytest.raises(InvalidDeclarationError, match=told):
        declare(engine, more)
