"""What came last of a task, and what waits: where to look when its SLOs are blind."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, func, select

from service.domain.indicators import Indicator
from service.domain.spells import Surroundings
from service.store.tables import call_counts, scoring_jobs, sli_minutes

_LONGEST_SILENCE = timedelta(days=35)
"""As in `readings`: a stream without calls for longer is one that never had any."""


def read_surroundings(
    connection: Connection, app_id: int, indicator: Indicator, *, now: datetime
) -> Surroundings:
    """Of the indicator's task and environment."""
    jobs, aside = scoring_jobs.c, scoring_jobs.c.failed_at.is_not(None)
    waiting = connection.execute(
        select(
            func.coalesce(func.sum(jobs.sample_count).filter(~aside), 0),
            func.min(jobs.first_called_at).filter(~aside),
            func.coalesce(func.sum(jobs.sample_count).filter(aside), 0),
        ).where(
            jobs.app_id == app_id,
            jobs.task == indicator.task,
            jobs.environment == indicator.environment,
        )
    ).one()
    by_evaluator = sli_minutes.c.evaluator == indicator.evaluator
    return Surroundings(
        last_call_at=_newest(connection, call_counts, app_id, indicator, now),
        last_score_at=(
            _newest(connection, sli_minutes, app_id, indicator, now, by_evaluator)
            if indicator.is_of_scores
            else None
        ),
        waiting_samples=int(waiting[0]),
        oldest_waiting_at=waiting[1],
        set_aside_samples=int(waiting[2]),
    )


def _newest(
    connection: Connection,
    table: Table,
    app_id: int,
    indicator: Indicator,
    now: datetime,
    *further: ColumnElement[bool],
) -> datetime | None:
    columns = table.c
    newest: datetime | None = connection.scalar(
        select(columns.minute)
        .where(
            columns.app_id == app_id,
            columns.minute > now - _LONGEST_SILENCE,
            columns.minute <= now,
            columns.environment == indicator.environment,
            columns.task == indicator.task,
            *further,
        )
        .order_by(columns.minute.desc())
        .limit(1)
    )
    return newest
