"""The queue of samples to score. A job is claimed under a lease, and gone when it is done."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, func, or_, select

from service.domain.calls import NewSample
from service.store.tables import scoring_jobs

SAMPLES_PER_JOB = 500


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """Samples of one task, leased to one worker."""

    id: int
    app_id: int
    environment: str
    task: str
    called_ats: Sequence[datetime]
    sample_ids: Sequence[UUID]
    attempts: int
    lease_token: UUID


def enqueue(
    connection: Connection, app_id: int, new: Iterable[NewSample], *, now: datetime
) -> None:
    """Queue samples for scoring, a job per environment, task and 500 samples."""
    rows = [
        {
            "app_id": app_id,
            "environment": environment,
            "task": task,
            "called_ats": [sample.called_at for sample in chunk],
            "sample_ids": [sample.sample_id for sample in chunk],
            "sample_count": len(chunk),
            "first_called_at": min(sample.called_at for sample in chunk),
            "last_called_at": max(sample.called_at for sample in chunk),
            "created_at": now,
        }
        for (environment, task), chunk in _chunks(new)
    ]
    if rows:
        connection.execute(scoring_jobs.insert(), rows)


def _chunks(
    new: Iterable[NewSample],
) -> Iterator[tuple[tuple[str, str], list[NewSample]]]:
    groups: dict[tuple[str, str], list[NewSample]] = {}
    for sample in new:
        groups.setdefault((sample.environment, sample.task), []).append(sample)
    for key, group in groups.items():
        for start in range(0, len(group), SAMPLES_PER_JOB):
            yield key, group[start : start + SAMPLES_PER_JOB]


def claim(
    connection: Connection, *, token: UUID, now: datetime, lease: timedelta
) -> ScoringJob | None:
    """Take the oldest job that nobody holds, or whose holder's lease has ended."""
    free = or_(scoring_jobs.c.leased_until.is_(None), scoring_jobs.c.leased_until <= now)
    oldest = (
        select(scoring_jobs.c.id)
        .where(scoring_jobs.c.failed_at.is_(None), free)
        .order_by(scoring_jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = connection.execute(
        scoring_jobs.update()
        .where(scoring_jobs.c.id == oldest)
        .values(lease_token=token, leased_until=now + lease, attempts=scoring_jobs.c.attempts + 1)
        .returning(
            *(scoring_jobs.c[name] for name in ScoringJob.__slots__),
        )
    ).one_or_none()
    return ScoringJob(*row) if row else None


def finish(connection: Connection, job: ScoringJob) -> bool:
    """Remove the job; False where its lease has passed to another worker meanwhile."""
    removed = connection.execute(
        scoring_jobs.delete()
        .where(scoring_jobs.c.id == job.id, scoring_jobs.c.lease_token == job.lease_token)
        .returning(scoring_jobs.c.id)
    )
    return removed.first() is not None


def give_back(connection: Connection, job: ScoringJob, *, error: str, not_before: datetime) -> None:
    """Let the job be tried again, not before some time."""
    _release(connection, job, last_error=error, leased_until=not_before)


def give_up(connection: Connection, job: ScoringJob, *, error: str, now: datetime) -> None:
    """Set the job aside for a person; it stays visible, and stays part of the backlog."""
    _release(connection, job, last_error=error, failed_at=now)


def _release(connection: Connection, job: ScoringJob, **values: object) -> None:
    connection.execute(
        scoring_jobs.update()
        .where(scoring_jobs.c.id == job.id, scoring_jobs.c.lease_token == job.lease_token)
        .values(lease_token=None, **values)
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be scored."""

    samples: int
    failed_samples: int
    oldest_called_at: datetime | None


def read_backlog(connection: Connection) -> Backlog:
    """Over all apps."""
    failed = func.coalesce(
        func.sum(scoring_jobs.c.sample_count).filter(scoring_jobs.c.failed_at.is_not(None)), 0
    )
    row = connection.execute(
        select(
            func.coalesce(func.sum(scoring_jobs.c.sample_count), 0),
            failed,
            func.min(scoring_jobs.c.first_called_at),
        )
    ).one()
    return Backlog(*row)
