"""Scoring jobs that were set aside for a person: seen, and queued again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from service.errors import NotFoundError
from service.store.tables import apps, scoring_jobs


class NotSetAsideError(NotFoundError):
    """No such job was set aside."""


@dataclass(frozen=True, slots=True)
class SetAsideJob:
    """A job that no worker takes any more, and why."""

    id: int
    app: str
    environment: str
    task: str
    sample_count: int
    first_called_at: datetime
    last_called_at: datetime
    failed_at: datetime
    last_error: str


def list_set_aside(connection: Connection) -> list[SetAsideJob]:
    """The longest set aside first."""
    jobs = scoring_jobs.c
    names = SetAsideJob.__slots__
    query = (
        select(*(apps.c.name if name == "app" else jobs[name] for name in names))
        .join_from(scoring_jobs, apps, apps.c.id == jobs.app_id)
        .where(jobs.failed_at.is_not(None))
        .order_by(jobs.failed_at, jobs.id)
    )
    return [SetAsideJob(*row) for row in connection.execute(query)]


def requeue(connection: Connection, ids: Collection[int] | None) -> list[int]:
    """Let workers take these jobs, or all, as if nothing had happened; returns their ids.

    Raises:
        NotSetAsideError: One of them was not set aside. The caller's transaction undoes the others.
    """
    jobs = scoring_jobs.c
    chosen = [jobs.failed_at.is_not(None)]
    if ids is not None:
        chosen.append(jobs.id.in_(ids))
    queued = connection.scalars(
        scoring_jobs.update()
        .where(*chosen)
        .values(failed_at=None, leased_until=None, lease_token=None, lost_leases=0, failures=0)
        .returning(jobs.id)
    ).all()
    if missing := sorted(set(ids or ()) - set(queued)):
        named = ", ".join(str(number) for number in missing)
        raise NotSetAsideError(f"Not set aside: {named}. Which ones are: watchkeeper jobs list")
    return sorted(queued)
