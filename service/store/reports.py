"""What the weekly report reads: counts, cost and incidents of a stretch of time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, literal, or_, select, true

from service.domain.incidents import Incident
from service.domain.iso_weeks import Stretch
from service.domain.slis import Tally
from service.domain.weekly_report import Usage
from service.store.measured import Measured
from service.store.readings import read_tally
from service.store.tables import (
    alerts,
    apps,
    call_counts,
    incident_events,
    incidents,
    scoring_jobs,
    sli_minutes,
)


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of the answers of a stretch that were looked at, whatever the version."""

    by_version: Mapping[str, int]
    failed: int


def read_stretch_tally(connection: Connection, measured: Measured, stretch: Stretch) -> Tally:
    """The sums over the minutes of the stretch."""
    return read_tally(connection, measured, stretch.starts_at, stretch.ends_at)


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
    """Samples of the stretch in jobs that are not done; 0 where nothing is scored."""
    if not measured.is_quality:
        return 0
    called = func.unnest(scoring_jobs.c.called_ats).table_valued("at").render_derived(name="called")
    query = (
        select(func.count())
        .select_from(scoring_jobs.join(called, true()))
        .where(
            scoring_jobs.c.app_id == measured.app_id,
            scoring_jobs.c.environment == measured.indicator.environment,
            scoring_jobs.c.task == measured.indicator.task,
            scoring_jobs.c.last_called_at >= stretch.starts_at,
            scoring_jobs.c.first_called_at < stretch.ends_at,
            called.c.at >= stretch.starts_at,
            called.c.at < stretch.ends_at,
        )
    )
    return int(connection.scalar(query) or 0)


def count_scored(connection: Connection, measured: Measured, stretch: Stretch) -> Scored:
    """By all versions of the SLO's evaluator, in force or not."""
    if not measured.is_quality:
        return Scored({}, 0)
    version = sli_minutes.c.evaluator_version
    query = (
        select(version, func.sum(sli_minutes.c.n), func.sum(sli_minutes.c.failed_n))
        .where(
            sli_minutes.c.app_id == measured.app_id,
            sli_minutes.c.minute >= stretch.starts_at,
            sli_minutes.c.minute < stretch.ends_at,
            sli_minutes.c.environment == measured.indicator.environment,
            sli_minutes.c.task == measured.indicator.task,
            sli_minutes.c.evaluator == measured.indicator.evaluator,
        )
        .group_by(version)
    )
    rows = connection.execute(query).all()
    return Scored({row[0]: int(row[1]) for row in rows}, sum(int(row[2]) for row in rows))


def list_incidents_within(connection: Connection, app_id: int, stretch: Stretch) -> list[Incident]:
    """Those that were open at some time of the stretch, in order, as severe as at its end."""
    columns = {name: incidents.c[name] for name in Incident.__slots__ if name != "app"}
    # The severity can rise later; the timeline knows when.
    was_page = (
        select(literal("page"))
        .where(
            incident_events.c.incident_id == incidents.c.id,
            incident_events.c.at < stretch.ends_at,
            incident_events.c.evidence["severity"].astext == "page",
        )
        .limit(1)
        .scalar_subquery()
    )
    severity = func.coalesce(was_page, "ticket")
    chosen = columns | {"app": apps.c.name, "severity": severity}
    query = (
        select(*(chosen[name] for name in Incident.__slots__))
        .join_from(incidents, apps, apps.c.id == incidents.c.app_id)
        .where(
            incidents.c.app_id == app_id,
            incidents.c.opened_at < stretch.ends_at,
            or_(incidents.c.resolved_at.is_(None), incidents.c.resolved_at >= stretch.starts_at),
        )
        .order_by(incidents.c.opened_at, incidents.c.id)
    )
    return [Incident(*row) for row in connection.execute(query)]


def list_fed_incidents(
    connection: Connection, sources: Collection[str], stretch: Stretch
) -> set[int]:
    """The incidents that alerts of these sources fed at some time of the stretch."""
    query = select(alerts.c.incident_id).where(
        alerts.c.source.in_(sources),
        alerts.c.started_at < stretch.ends_at,
        or_(alerts.c.cleared_at.is_(None), alerts.c.cleared_at >= stretch.starts_at),
    )
    return set(connection.scalars(query.distinct()))
