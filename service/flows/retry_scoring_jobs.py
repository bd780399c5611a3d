"""Queue scoring jobs again that were set aside, once their cause is gone."""

from collections.abc import Sequence

from sqlalchemy import Engine

from service.store.set_aside_jobs import requeue


def retry_scoring_jobs(engine: Engine, ids: Sequence[int] | None) -> list[int]:
    """Queue these jobs, or with None every one; returns those that were queued."""
    with engine.begin() as connection:
        return list(requeue(connection, ids))
