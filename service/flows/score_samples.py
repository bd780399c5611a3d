"""Score the samples of one job: scores, SLI counts, drift counts and the job's end, all or none."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Connection, Engine

from evaluators.contract import Sample, Score, fault_in
from evaluators.registry import Built, Registry
from service import telemetry
from service.domain.drift.hourly import count_by_hour
from service.domain.scores import EVALUATOR_ERROR, NewScore, SliSlice, Stream, count_by_slice
from service.flows.build_evaluators import build_evaluators
from service.flows.renew_lease import renewed_lease
from service.store import drift, partitions, scoring_jobs
from service.store.database_errors import is_transient
from service.store.samples import read_samples
from service.store.scores import insert_scores
from service.store.scoring_jobs import ScoringJob
from service.store.sli_minutes import add_sli_counts
from service.store.slo_evidence import add_evidence
from service.store.tasks import StoredTask, find_task

MAXIMUM_FAILURES = 5
_RETRY_AFTER = timedelta(seconds=10)
_log = structlog.get_logger()


class LeaseLostError(Exception):
    """Another worker has taken the job over; its answer counts, ours is undone."""


def score_samples(
    engine: Engine, registry: Registry, *, clock: Callable[[], datetime], lease: timedelta
) -> bool:
    """Claim one job and score it; False where there was none."""
    with engine.begin() as connection:
        job = scoring_jobs.claim(connection, token=uuid4(), now=clock(), lease=lease)
    if job is None:
        return False
    try:
        with renewed_lease(engine, job, clock=clock, lease=lease):
            _score(engine, registry, job, clock())
    except LeaseLostError:
        _log.warning("scoring_lease_lost", job=job.id)
    except Exception as error:
        # Where the database is away this fails as well; the lease then ends by itself.
        _hand_back(engine, job, error, clock())
    return True


def _score(engine: Engine, registry: Registry, job: ScoringJob, now: datetime) -> None:
    with engine.connect() as connection:
        task = find_task(connection, job.app_id, job.task)
        rows = read_samples(connection, job.app_id, job.called_ats, job.sample_ids)
    built = build_evaluators(registry, task) if task is not None else ()
    samples = [_sample(row) for row in rows]
    new = [score for choice in built for score in _scores_of(choice, rows, samples)]
    partitions.ensure(engine, {score.called_at for score in new})
    with engine.begin() as connection:
        if not scoring_jobs.finish(connection, job):
            raise LeaseLostError
        insert_scores(connection, job.app_id, new, now=now)
        add_sli_counts(connection, job.app_id, count_by_slice(new))
        add_evidence(connection, job.app_id, new)
        for stream in _watched_streams(task, built, job):
            _count_drift(connection, stream, new)
    telemetry.scored_samples.inc(len(rows))


def _sample(row: Any) -> Sample:
    return Sample(
        prompt=row.prompt,
        response=row.response,
        reference=row.reference,
        outcome=row.outcome,
        finish_reason=row.finish_reason,
        latency_ms=row.latency_ms,
        output_tokens=row.output_tokens,
        attributes=row.attributes,
    )


def _scores_of(built: Built, rows: Sequence[Any], samples: Sequence[Sample]) -> Iterator[NewScore]:
    for row, score in zip(rows, _answers(built, samples), strict=True):
        if score is None:
            continue
        value = None if isinstance(score, str) else score.value
        rule = built.passes
        yield NewScore(
            sample_id=row.sample_id,
            called_at=row.called_at,
            slice=SliSlice(
                minute=row.called_at.replace(second=0, microsecond=0),
                environment=row.environment,
                task=row.task,
                release=row.release,
                model=row.model,
                prompt_version=row.prompt_version,
                evaluator=built.name,
                evaluator_version=built.version,
            ),
            value=value,
            passed=None if value is None or rule is None else rule.passes(value),
            label=EVALUATOR_ERROR if isinstance(score, str) else score.label,
            explanation=score if isinstance(score, str) else score.explanation,
            weight=1 / row.keep_probability,
        )


def _answers(built: Built, samples: Sequence[Sample]) -> list[Score | str | None]:
    """A score, nothing, or why there is none; a failing sample costs only itself."""
    try:
        return [_checked(score, built) for score in _batch(built, samples)]
    except Exception:
        return [_one(built, sample) for sample in samples]


def _one(built: Built, sample: Sample) -> Score | str | None:
    try:
        (score,) = _batch(built, [sample])
    except Exception as error:
        telemetry.evaluator_failures.labels(built.name).inc()
        return f"the evaluator raised {type(error).__name__}"  # its text may quote the sample
    return _checked(score, built)


def _batch(built: Built, samples: Sequence[Sample]) -> list[Score | None]:
    scores = built.evaluator.score_batch(samples)
    if len(scores) != len(samples):
        raise ValueError(f"{len(scores)} scores for {len(samples)} samples")
    return scores


def _checked(score: Score | None, built: Built) -> Score | str | None:
    fault = None if score is None else fault_in(score, built.unit)
    if fault is None:
        return score
    telemetry.evaluator_failures.labels(built.name).inc()
    return fault


def _watched_streams(
    task: StoredTask | None, built: Sequence[Built], job: ScoringJob
) -> list[Stream]:
    if task is None:
        return []
    # Sorted, so that two workers take the streams' locks in one order.
    return sorted(
        Stream(job.app_id, job.environment, job.task, choice.name, choice.version)
        for choice in built
        if choice.name in task.drift_evaluators
    )


def _count_drift(connection: Connection, stream: Stream, new: Sequence[NewScore]) -> None:
    drift.lock_stream(connection, stream, shared=True)
    stored = drift.find_reference(connection, stream)
    if stored is None:
        return  # who builds the reference will count these scores
    of_stream = [
        (score.called_at, score.value, score.weight)
        for score in new
        if score.slice.evaluator == stream.evaluator and score.value is not None
    ]
    counted = [row for row in of_stream if row[0] >= stored.ends_at]
    if len(counted) < len(of_stream):
        # The reference never changes, so what comes late for it is in neither; somebody should see.
        left_out = len(of_stream) - len(counted)
        _log.warning("drift_scores_too_late_for_reference", stream=stream, scores=left_out)
    drift.add_counts(connection, stored, count_by_hour(counted, stored.reference.edges))


def _hand_back(engine: Engine, job: ScoringJob, error: Exception, now: datetime) -> None:
    seen = telemetry.described(error)  # not its text, which may quote a prompt or an answer
    reason, again_at = seen["error"], now + _RETRY_AFTER
    failures = job.failures + 1
    with engine.begin() as connection:
        if is_transient(error):
            _log.warning("scoring_job_postponed", job=job.id, **seen)
            scoring_jobs.postpone(connection, job, error=reason, not_before=again_at)
            return
        _log.error("scoring_job_failed", job=job.id, failures=failures, **seen)
        if failures < MAXIMUM_FAILURES:
            scoring_jobs.give_back(
                connection, job, error=reason, failures=failures, not_before=again_at
            )
        else:
            scoring_jobs.give_up(connection, job, error=reason, failures=failures, now=now)
