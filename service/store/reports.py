"""What the weekly report reads: counts, cost and incidents of a stretch of time."""

from datetime import timedelta

from sqlalchemy import Connection, func, select

from service.domain.incidents import Incident
from service.domain.iso_weeks import Stretch
from service.domain.slis import Tally
from service.domain.weekly_report import Usage
from service.store.readings import Measured, read_tally
from service.store.tables import alerts, apps, call_counts, incidents, scoring_jobs, sli_minutes

# A stretch holds its start and not its end; readings hold their end and not their start.
_TICK = timedelta(microseconds=1)


def read_stretch_tally(connection: Connection, measured: Measured, stretch: Stretch) -> Tally:
    """The sums over the minutes of the stretch."""
    return read_tally(connection, measured, stretch.starts_at - _TICK, stretch.ends_at - _TICK)


def read_usage(
    connection: Connection, app_id: int, stretch: Stretch, *, of: Measured | None = None
) -> Usage:
    """Calls and cost of an app, or of what one SLO of it measures."""
    query = select(
        func.coalesce(func.sum(call_counts.c.calls), 0),
        func.coalesce(func.sum(call_counts.c.cost_usd), 0.0),
    ).where(
        call_counts.c.app_id == app_id,
        call_counts.c.minute >= stretch.starts_at,
        call_counts.c.minute < stretch.ends_at,
    )
    if of is not None:
        query = query.where(
            call_counts.c.environment == of.indicator.environment,
            call_counts.c.task == of.indicator.task,
        )
    calls, cost_usd = connection.execute(query).one()
    return Usage(int(calls), float(cost_usd))


def count_awaiting_score(connection: Connection, measured: Measured, stretch: Stretch) -> int:
    """Samples in the jobs that reach into the stretch; 0 where nothing is scored."""
    if measured.indicator.kind == "availability":
        return 0
    query = select(func.coalesce(func.sum(scoring_jobs.c.sample_count), 0)).where(
        scoring_jobs.c.app_id == measured.app_id,
        scoring_jobs.c.environment == measured.indicator.environment,
        scoring_jobs.c.task == measured.indicator.task,
        scoring_jobs.c.last_called_at >= stretch.starts_at,
        scoring_jobs.c.first_called_at < stretch.ends_at,
    )
    return int(connection.scalar(query) or 0)


def count_scored_by_other_versions(
    connection: Connection, measured: Measured, stretch: Stretch
) -> int:
    """Answers scored by a version of the SLO's evaluator that is not the one in force."""
    if measured.indicator.kind == "availability":
        return 0
    query = select(func.coalesce(func.sum(sli_minutes.c.n), 0)).where(
        sli_minutes.c.app_id == measured.app_id,
        sli_minutes.c.minute >= stretch.starts_at,
        sli_minutes.c.minute < stretch.ends_at,
        sli_minutes.c.environment == measured.indicator.environment,
        sli_minutes.c.task == measured.indicator.task,
        sli_minutes.c.evaluator == measured.indicator.evaluator,
        sli_minutes.c.evaluator_version.is_distinct_from(measured.evaluator_version),
    )
    return int(connection.scalar(query) or 0)


def list_opened_incidents(connection: Connection, app_id: int, stretch: Stretch) -> list[Incident]:
    """Those that opened in the stretch, in order."""
    columns = (apps.c.name if name == "app" else incidents.c[name] for name in Incident.__slots__)
    query = (
        select(*columns)
        .join_from(incidents, apps, apps.c.id == incidents.c.app_id)
        .where(
            incidents.c.app_id == app_id,
            incidents.c.opened_at >= stretch.starts_at,
            incidents.c.opened_at < stretch.ends_at,
        )
        .order_by(incidents.c.opened_at, incidents.c.id)
    )
    return [Incident(*row) for row in connection.execute(query)]


def list_fed_incidents(connection: Connection, source: str) -> set[int]:
    """The incidents that alerts of this source ever fed."""
    query = select(alerts.c.incident_id).where(alerts.c.source == source)
    return set(connection.scalars(query.distinct()))
