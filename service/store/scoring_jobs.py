"""The queue of samples to score. A job is claimed under a lease, and gone when it is done."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, case, func, or_, select, text

from service.domain.calls import NewSample
from service.store.binary_arrays import instant_array, uuid_array
from service.store.tables import scoring_jobs

SAMPLES_PER_JOB = 500
MAXIMUM_LOST_LEASES = 3
"""One kill can be a deployment and two bad luck; a third is a suspicion."""


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """Samples of one task, leased to one worker."""

    id: int
    app_id: int
    environment: str
    task: str
    called_ats: Sequence[datetime]
    sample_ids: Sequence[UUID]
    created_at: datetime
    lost_leases: int
    failures: int
    lease_token: UUID


_ENQUEUE = text(
    "INSERT INTO scoring_jobs (app_id, environment, task, created_at, called_ats, sample_ids,"
    " sample_count, first_called_at, last_called_at) VALUES (:app_id, :environment, :task,"
    " :created_at, :called_ats, :sample_ids, :sample_count, :first_called_at, :last_called_at)"
)


def enqueue(
    connection: Connection, app_id: int, new: Iterable[NewSample], *, now: datetime
) -> None:
    """Queue samples for scoring, a job per environment, task and 500 samples."""
    rows = [
        {"app_id": app_id, "environment": environment, "task": task, "created_at": now}
        | _of_samples([s.called_at for s in chunk], [s.sample_id for s in chunk])
        | {
            "called_ats": instant_array(sample.called_at for sample in chunk),
            "sample_ids": uuid_array(sample.sample_id for sample in chunk),
        }
        for (environment, task), chunk in _chunks(new)
    ]
    if rows:
        connection.execute(_ENQUEUE, rows)


def _of_samples(called_ats: Sequence[datetime], sample_ids: Sequence[UUID]) -> dict[str, Any]:
    return {
        "called_ats": called_ats,
        "sample_ids": sample_ids,
        "sample_count": len(sample_ids),
        "first_called_at": min(called_ats),
        "last_called_at": max(called_ats),
    }


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
    """Take a job that nobody holds, or whose holder's lease has ended.

    Every app with waiting jobs is as likely as any other, however long its queue is: one app's
    backfill delays the others by no more than a claim each. Which one it is comes from `token`, so
    no turn has to be stored. Within the app the newest calls come first, because alerts judge the
    live edge; what is old waits for a quiet moment.

    A job that has lost too many leases is not handed out again but taken apart.
    """
    while True:
        job = _claim_any(connection, token, now, lease)
        if job is None or job.lost_leases < MAXIMUM_LOST_LEASES:
            return job
        _isolate(connection, job, now)


def _claim_any(
    connection: Connection, token: UUID, now: datetime, lease: timedelta
) -> ScoringJob | None:
    apps = _waiting_apps(connection, now)
    first = token.int % len(apps) if apps else 0
    for app_id in apps[first:] + apps[:first]:
        job = _claim_of(connection, app_id, token, now, lease)
        if job is not None:
            return job
    return None  # what waited a moment ago is held by others now


def _waiting_apps(connection: Connection, now: datetime) -> list[int]:
    # From one app to the next through the index, however many jobs lie between: a DISTINCT would
    # read the whole queue at every claim.
    waiting = "failed_at IS NULL AND (leased_until IS NULL OR leased_until <= :now)"
    query = text(
        f"""
        WITH RECURSIVE app (id) AS (
            (SELECT app_id FROM scoring_jobs WHERE {waiting} ORDER BY app_id LIMIT 1)
            UNION ALL
            SELECT (SELECT app_id FROM scoring_jobs WHERE {waiting} AND app_id > app.id
                    ORDER BY app_id LIMIT 1)
            FROM app WHERE app.id IS NOT NULL
        )
        SELECT id FROM app WHERE id IS NOT NULL
        """
    )
    return list(connection.scalars(query, {"now": now}))


def _claim_of(
    connection: Connection, app_id: int, token: UUID, now: datetime, lease: timedelta
) -> ScoringJob | None:
    free = or_(scoring_jobs.c.leased_until.is_(None), scoring_jobs.c.leased_until <= now)
    newest = (
        select(scoring_jobs.c.id)
        .where(scoring_jobs.c.app_id == app_id, scoring_jobs.c.failed_at.is_(None), free)
        .order_by(scoring_jobs.c.last_called_at.desc(), scoring_jobs.c.id.desc())
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    # Whoever lives through a job gives its token back: one that is still there lost its worker.
    lost = case((scoring_jobs.c.lease_token.is_not(None), 1), else_=0)
    row = connection.execute(
        scoring_jobs.update()
        .where(scoring_jobs.c.id == newest)
        .values(
            lease_token=token,
            leased_until=now + lease,
            lost_leases=scoring_jobs.c.lost_leases + lost,
        )
        .returning(*(scoring_jobs.c[name] for name in ScoringJob.__slots__))
    ).one_or_none()
    return ScoringJob(*row) if row else None


def _isolate(connection: Connection, job: ScoringJob, now: datetime) -> None:
    """Halve a job that workers die of, until the one sample they die of is set aside alone."""
    count = len(job.sample_ids)
    if count == 1:
        error = f"its worker died {job.lost_leases} times"
        give_up(connection, job, error=error, failures=job.failures, now=now)
        return
    connection.execute(scoring_jobs.delete().where(scoring_jobs.c.id == job.id))
    rows = [
        {
            "app_id": job.app_id,
            "environment": job.environment,
            "task": job.task,
            "created_at": job.created_at,
            "failures": job.failures,
            # A half that is lost once more is halved at once: that costs nothing. Only setting
            # a sample aside takes a full count of its own.
            "lost_leases": 0 if len(job.sample_ids[part]) == 1 else MAXIMUM_LOST_LEASES - 1,
        }
        | _of_samples(job.called_ats[part], job.sample_ids[part])
        for part in (slice(count // 2), slice(count // 2, count))
    ]
    connection.execute(scoring_jobs.insert(), rows)


def renew(connection: Connection, job: ScoringJob, *, until: datetime) -> bool:
    """Hold the job longer; False where it is done, or another worker's."""
    renewed = connection.execute(
        scoring_jobs.update()
        .where(scoring_jobs.c.id == job.id, scoring_jobs.c.lease_token == job.lease_token)
        .values(leased_until=until)
        .returning(scoring_jobs.c.id)
    )
    return renewed.first() is not None


def finish(connection: Connection, job: ScoringJob) -> bool:
    """Remove the job; False where its lease has passed to another worker meanwhile."""
    removed = connection.execute(
        scoring_jobs.delete()
        .where(scoring_jobs.c.id == job.id, scoring_jobs.c.lease_token == job.lease_token)
        .returning(scoring_jobs.c.id)
    )
    return removed.first() is not None


def postpone(connection: Connection, job: ScoringJob, *, error: str, not_before: datetime) -> None:
    """Let the job be tried again after trouble that was none of its own."""
    _release(connection, job, last_error=error, leased_until=not_before)


def give_back(
    connection: Connection, job: ScoringJob, *, error: str, failures: int, not_before: datetime
) -> None:
    """Let the job be tried again after it failed, not before some time."""
    _release(connection, job, last_error=error, leased_until=not_before, failures=failures)


def give_up(
    connection: Connection, job: ScoringJob, *, error: str, failures: int, now: datetime
) -> None:
    """Set the job aside for a person; it stays visible, and stays part of the backlog."""
    _release(connection, job, last_error=error, failed_at=now, failures=failures)


def _release(connection: Connection, job: ScoringJob, **values: object) -> None:
    connection.execute(
        scoring_jobs.update()
        .where(scoring_jobs.c.id == job.id, scoring_jobs.c.lease_token == job.lease_token)
        .values(lease_token=None, **values)
    )


def is_any_waiting(
    connection: Connection, app_id: int, environment: str, task: str, *, before: datetime
) -> bool:
    """Whether calls of before then are still to be scored; what was set aside is not waited for."""
    waiting = scoring_jobs.select().where(
        scoring_jobs.c.app_id == app_id,
        scoring_jobs.c.environment == environment,
        scoring_jobs.c.task == task,
        scoring_jobs.c.first_called_at < before,
        scoring_jobs.c.failed_at.is_(None),
    )
    return bool(connection.scalar(select(waiting.exists())))


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be scored, and what was set aside."""

    waiting_samples: int
    set_aside_samples: int
    oldest_called_at: datetime | None
    """Of the calls that wait."""
    waiting_since: datetime | None
    """When the oldest waiting job was queued; None where nothing waits."""


def read_backlog(connection: Connection) -> Backlog:
    """Over all apps."""
    jobs, set_aside = scoring_jobs.c, scoring_jobs.c.failed_at.is_not(None)
    row = connection.execute(
        select(
            func.coalesce(func.sum(jobs.sample_count).filter(~set_aside), 0),
            func.coalesce(func.sum(jobs.sample_count).filter(set_aside), 0),
            func.min(jobs.first_called_at).filter(~set_aside),
            func.min(jobs.created_at).filter(~set_aside),
        )
    ).one()
    return Backlog(*row)
