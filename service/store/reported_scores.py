"""Scores that apps report of their own calls: each counted once, however often it is posted."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.calls import NewSample
from service.domain.reported_scores import ReportedRule, ScoredCall, join_calls
from service.domain.scores import NewScore, ReportedScore, count_by_slice
from service.store.awaited_scores import await_calls
from service.store.sli_minutes import add_sli_counts
from service.store.slo_evidence import add_evidence
from service.store.tables import samples, scores
from service.store.tasks import find_task

_ROWS_A_STATEMENT = 1_000
"""Thirteen values a row; PostgreSQL takes 65,535 in one statement."""


def insert_reported(
    connection: Connection,
    app_id: int,
    reported: Sequence[ReportedScore],
    samples_by_id: Mapping[UUID, NewSample],
    *,
    now: datetime,
) -> None:
    """Store scores, and count them in the minutes of their samples.

    `samples_by_id`: what this transaction has stored. A score of any other sample is one of a call
    that came before, or of one that is still to come: then it waits for it.
    """
    if not reported:
        return
    calls = {
        sample_id: ScoredCall(*(getattr(sample, name) for name in ScoredCall._fields))
        for sample_id, sample in samples_by_id.items()
    }
    calls |= find_calls(connection, app_id, {score.sample_id for score in reported} - calls.keys())
    store_scores(connection, app_id, reported, calls, now=now)
    early = [score for score in reported if score.sample_id not in calls]
    await_calls(connection, app_id, early, now=now)


def find_calls(
    connection: Connection, app_id: int, sample_ids: Collection[UUID]
) -> dict[UUID, ScoredCall]:
    """What is stored of these calls."""
    if not sample_ids:
        return {}
    query = select(*(samples.c[name] for name in ScoredCall._fields)).where(
        samples.c.app_id == app_id, samples.c.sample_id.in_(sorted(sample_ids))
    )
    return {row.sample_id: ScoredCall(*row) for row in connection.execute(query)}


def store_scores(
    connection: Connection,
    app_id: int,
    reported: Sequence[ReportedScore],
    calls: Mapping[UUID, ScoredCall],
    *,
    now: datetime,
) -> None:
    """Write the scores of these calls; one that is there already is neither changed nor counted."""
    rules = _find_rules(connection, app_id, {call.task for call in calls.values()})
    new = sorted(
        join_calls(reported, calls, rules),
        # In the order of the primary key, so that two writers cannot wait in a circle.
        key=lambda score: (score.called_at, score.sample_id, score.slice.evaluator),
    )
    stored: list[NewScore] = []
    for start in range(0, len(new), _ROWS_A_STATEMENT):
        stored += _insert(connection, app_id, new[start : start + _ROWS_A_STATEMENT], now)
    add_sli_counts(connection, app_id, count_by_slice(stored))
    add_evidence(connection, app_id, stored)


def _find_rules(
    connection: Connection, app_id: int, tasks: set[str]
) -> dict[tuple[str, str], ReportedRule]:
    declared = (find_task(connection, app_id, name) for name in sorted(tasks))
    return {
        (task.name, choice.name): choice.reported_rule
        for task in declared
        if task is not None
        for choice in task.evaluators
        if choice.reported
    }


def _insert(
    connection: Connection, app_id: int, new: Sequence[NewScore], now: datetime
) -> list[NewScore]:
    rows = [
        {
            "app_id": app_id,
            "called_at": score.called_at,
            "sample_id": score.sample_id,
            "environment": score.slice.environment,
            "task": score.slice.task,
            "evaluator": score.slice.evaluator,
            "evaluator_version": score.slice.evaluator_version,
            "value": score.value,
            "passed": score.passed,
            "label": score.label,
            "explanation": score.explanation,
            "weight": score.weight,
            "scored_at": now,
        }
        for score in new
    ]
    statement = insert(scores).values(rows).on_conflict_do_nothing()
    kept = connection.execute(statement.returning(scores.c.sample_id, scores.c.evaluator))
    names = {(row.sample_id, row.evaluator) for row in kept}
    return [score for score in new if (score.sample_id, score.slice.evaluator) in names]
