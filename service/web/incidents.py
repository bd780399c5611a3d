"""The views of incidents: the list, and one with all that is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup
from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service.domain.incidents import Alert, Incident, Status
from service.domain.slis import Tally
from service.domain.weekly_report import Attainment
from service.flows.measure_slo import measure_slo
from service.store.breakdowns import Version, read_tally_by_version
from service.store.incidents import IncidentRecord, list_incidents, read_incident
from service.store.readings import Measured, read_hourly_tallies
from service.store.slos import StoredSlo, list_slos
from service.web.charts import draw_ratio, fill_hours

UNRESOLVED: tuple[Status, ...] = ("open", "acknowledged")
_RESOLVED: tuple[Status, ...] = ("resolved",)
_UNRESOLVED_SHOWN = 200
_RESOLVED_PER_PAGE = 50
_BEFORE = timedelta(days=1)
_AFTER = timedelta(hours=6)
_LONGEST_CHART = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class IncidentListView:
    """Everything unresolved, and a page of what is over; `older` is where the next page begins."""

    now: datetime
    unresolved: tuple[Incident, ...]
    resolved: tuple[Incident, ...]
    older: int | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version since the window that fired began, and in a day before."""

    version: Version
    before: Attainment
    during: Attainment


@dataclass(frozen=True, slots=True)
class Evidence:
    """One SLO of the incident's task, around the incident.

    The fault begins before its alert fires, somewhere in two lengths of the window that fired: the
    first of them belongs to neither side of the comparison.
    """

    stored: StoredSlo
    chart: Markup | None
    before_until: datetime
    since: datetime
    versions: tuple[VersionRow, ...]


@dataclass(frozen=True, slots=True)
class IncidentView:
    """What the page of an incident shows."""

    now: datetime
    incident: Incident
    record: IncidentRecord
    evidence: tuple[Evidence, ...]

    @property
    def lasted(self) -> timedelta:
        return (self.incident.resolved_at or self.now) - self.incident.opened_at

    @property
    def next_steps(self) -> tuple[str, ...]:
        return tuple(_next_steps(self))


def build_incident_list(engine: Engine, *, before: int | None, now: datetime) -> IncidentListView:
    """`before`: the id of the last resolved incident already seen."""
    with engine.connect() as connection:
        unresolved = list_incidents(connection, statuses=UNRESOLVED, limit=_UNRESOLVED_SHOWN)
        resolved = list_incidents(
            connection, statuses=_RESOLVED, before=before, limit=_RESOLVED_PER_PAGE
        )
    older = resolved[-1].id if len(resolved) == _RESOLVED_PER_PAGE else None
    return IncidentListView(now, tuple(unresolved), tuple(resolved), older)


def build_incident_view(
    engine: Engine, registry: Registry, incident_id: int, *, now: datetime
) -> IncidentView:
    """Raises UnknownIncidentError."""
    with engine.connect() as connection:
        record = read_incident(connection, incident_id)
        evidence = tuple(
            _evidence(connection, measure_slo(connection, registry, stored), stored, record, now)
            for stored in _slos_of(connection, record)
        )
    return IncidentView(now, record.incident, record, evidence)


def _slos_of(connection: Connection, record: IncidentRecord) -> list[StoredSlo]:
    """The SLOs whose alerts feed it; without any (a drift), all of its task."""
    incident = record.incident
    of_task = [
        stored
        for stored in list_slos(connection, app=incident.app)
        if (stored.slo.indicator.environment, stored.slo.indicator.task)
        == (incident.environment, incident.task)
    ]
    sources = {alert.source for alert in record.alerts}
    feeding = [stored for stored in of_task if stored.slo.alert_source in sources]
    return feeding or of_task


def _evidence(
    connection: Connection,
    measured: Measured,
    stored: StoredSlo,
    record: IncidentRecord,
    now: datetime,
) -> Evidence:
    incident = record.incident
    over_at = incident.resolved_at or now
    start = incident.opened_at - _BEFORE
    end = min(now, over_at + _AFTER, start + _LONGEST_CHART)
    window = _window_that_fired(record.alerts)
    since, before_until = incident.opened_at - window, incident.opened_at - 2 * window
    marks = [incident.opened_at] + ([over_at] if incident.resolved_at else [])
    hours = fill_hours(read_hourly_tallies(connection, measured, start, end), start, end)
    return Evidence(
        stored=stored,
        chart=draw_ratio(hours, stored.slo.objective, [at for at in marks if at <= end]),
        before_until=before_until,
        since=since,
        versions=_compare_versions(
            read_tally_by_version(connection, measured, before_until - _BEFORE, before_until),
            read_tally_by_version(connection, measured, since, over_at),
        ),
    )


def _window_that_fired(alerts: Sequence[Alert]) -> timedelta:
    """The shortest window that fired when the alerts last spoke: the fault lies within it."""
    lengths = [
        tier["long_s"]
        for alert in alerts
        for tier in alert.evidence.get("tiers", ())
        if tier["alerting"]
    ]
    return timedelta(seconds=min(lengths, default=3600.0))


def _compare_versions(
    before: Mapping[Version, Tally], during: Mapping[Version, Tally]
) -> tuple[VersionRow, ...]:
    versions = [*during, *(version for version in before if version not in during)]
    return tuple(
        VersionRow(
            version,
            Attainment.of(before.get(version, Tally.ZERO)),
            Attainment.of(during.get(version, Tally.ZERO)),
        )
        for version in versions
    )


def _next_steps(view: IncidentView) -> list[str]:
    if view.incident.status == "resolved":
        return ["Nothing: it is over. The timeline below says how it went."]
    steps = []
    if view.incident.status == "open":
        steps.append("Acknowledge it, so that others see that you take care of it.")
    if any(len(evidence.versions) > 1 for evidence in view.evidence):
        steps.append(
            "Compare the versions below. One that is bad, and was not there before, is the "
            "first suspect (associated with the fault, not proven to cause it): roll it back."
        )
    elif view.evidence:
        steps.append(
            "Nothing in the release, the model's name or the prompt version tells good from bad "
            "below: ask whether the provider changed the model, or users ask something else."
        )
    else:
        steps.append("No SLO watches this task: read the evidence of the alerts in the timeline.")
    steps.append(
        "Then wait: it resolves by itself as soon as every alert has cleared. Resolved by hand, "
        "it comes back as a new incident if the fault is still there."
    )
    return steps
