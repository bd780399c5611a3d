"""What the page of an incident shows beside its words: charts, versions, kinds of bad answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection

from evaluators.registry import Registry
from service.domain.attainment import Attainment
from service.domain.incidents import Alert
from service.domain.slis import Interval, Tally
from service.flows.measure_slo import measure_slo
from service.store.breakdowns import Version, read_tallies_by_step, read_tally_by_version
from service.store.incidents import IncidentRecord
from service.store.kinds import Kind, KindCount, count_kinds
from service.store.measured import Measured
from service.store.slos import StoredSlo
from service.web.charts import HOUR, draw_ratio, fill_steps

_BEFORE = timedelta(days=1)
_AFTER = timedelta(hours=6)
_LONGEST_CHART = timedelta(days=14)
_YOUNG = timedelta(hours=6)
"""Of an incident younger than this the chart is finer: whole hours would blur how it began."""
_FINE_STEP = timedelta(minutes=10)
_KINDS_AFTER = timedelta(days=1)
"""Scores and samples are counted one by one: of a long incident only as long after its opening."""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version since the window that fired began, and in a day before."""

    version: Version
    before: Attainment
    during: Attainment


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind of answer or error since the window that fired began, and in a day before."""

    kind: Kind
    before: KindCount
    during: KindCount


@dataclass(frozen=True, slots=True)
class Evidence:
    """One SLO of the incident's task, around the incident.

    The fault begins before its alert fires, somewhere in two lengths of the window that fired: the
    first of them belongs to neither side of the comparison. An SLO that does not feed the incident
    explains nothing: it has a chart, and nothing is compared.
    """

    stored: StoredSlo
    feeds: bool
    step: timedelta
    chart: Markup | None
    before_until: datetime
    since: datetime
    kinds_until: datetime
    versions: tuple[VersionRow, ...]
    kinds: tuple[KindRow, ...]

    @property
    def step_in_words(self) -> str:
        """`hour` or `10 minutes`."""
        return "hour" if self.step == HOUR else f"{self.step / timedelta(minutes=1):g} minutes"


@dataclass(frozen=True, slots=True)
class DriftEvidence:
    """What a drift alert found: `share` of `rows` are now `comparison` `value`."""

    evaluator: str
    sentence: str
    comparison: str
    value: float
    share: float
    interval: Interval
    reference_share: float
    bound: float
    rows: int

    @classmethod
    def of(cls, alert: Alert) -> "DriftEvidence | None":
        """None for an alert of another kind, or one without an effect."""
        effect: Mapping[str, Any] | None = alert.evidence.get("effect")
        if not is_drift(alert) or not effect:
            return None
        return cls(
            evaluator=alert.source.rpartition("/")[2],
            sentence=alert.sentence,
            comparison=effect["comparison"],
            value=effect["value"],
            share=effect["current_share"],
            interval=Interval(*effect["interval"]),
            reference_share=effect["reference_share"],
            bound=effect["bound"],
            rows=effect["rows"],
        )


def is_drift(alert: Alert) -> bool:
    """Whether a drift test raised it, not an SLO."""
    return alert.source.startswith("drift/")


def is_blind(alert: Alert) -> bool:
    """Whether it says that nothing can be judged."""
    return alert.source.startswith("blind/")


def gather_evidence(
    connection: Connection,
    registry: Registry,
    stored: StoredSlo,
    record: IncidentRecord,
    *,
    feeds: bool,
    now: datetime,
) -> Evidence:
    """`feeds`: whether an alert of this SLO belongs to the incident."""
    incident = record.incident
    measured = measure_slo(connection, registry, stored)
    over_at = incident.resolved_at or now
    window = _window_that_fired(record.alerts)
    since, before_until = incident.opened_at - window, incident.opened_at - 2 * window
    before = (before_until - _BEFORE, before_until)
    kinds_until = min(over_at, incident.opened_at + _KINDS_AFTER)
    step, chart = _draw(connection, measured, stored, record, now)
    return Evidence(
        stored=stored,
        feeds=feeds,
        step=step,
        chart=chart,
        before_until=before_until,
        since=since,
        kinds_until=kinds_until,
        versions=_compare_versions(
            read_tally_by_version(connection, measured, *before),
            read_tally_by_version(connection, measured, since, over_at),
        )
        if feeds
        else (),
        kinds=_compare_kinds(
            count_kinds(connection, measured, *before),
            count_kinds(connection, measured, since, kinds_until),
        )
        if feeds
        else (),
    )


def _draw(
    connection: Connection,
    measured: Measured,
    stored: StoredSlo,
    record: IncidentRecord,
    now: datetime,
) -> tuple[timedelta, Markup | None]:
    incident = record.incident
    is_young = now - incident.opened_at < _YOUNG
    over_at = incident.resolved_at or now
    start = incident.opened_at - (_YOUNG if is_young else _BEFORE)
    end = min(now, over_at + _AFTER, start + _LONGEST_CHART)
    step = _FINE_STEP if is_young else HOUR
    marks = [incident.opened_at] + ([over_at] if incident.resolved_at else [])
    tallies = read_tallies_by_step(connection, measured, start, end, step=step)
    steps = fill_steps(tallies, start, end, step=step)
    chart = draw_ratio(steps, stored.slo.objective, [at for at in marks if at <= end])
    return step, chart


def _window_that_fired(alerts: Sequence[Alert]) -> timedelta:
    """The shortest window that fired when the alerts last spoke: the fault lies within it.

    Of a slow leak: since when it most likely is.
    """
    lengths = [
        tier["long_s"]
        for alert in alerts
        for tier in alert.evidence.get("tiers", ())
        if tier["alerting"]
    ]
    if lengths:
        return timedelta(seconds=min(lengths))
    leaking = [
        alert.started_at - datetime.fromisoformat(alert.evidence["leaking_since"])
        for alert in alerts
        if alert.evidence.get("leaking_since")
    ]
    return max(leaking, default=HOUR)


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


def _compare_kinds(
    before: Mapping[Kind, KindCount], during: Mapping[Kind, KindCount]
) -> tuple[KindRow, ...]:
    """What is bad first, and of that what has grown the most."""
    none = KindCount(0, 0.0)
    rows = [
        KindRow(kind, before.get(kind, none), during.get(kind, none))
        for kind in {**during, **before}
    ]
    rows.sort(key=lambda row: (row.kind.passed is True, row.before.share - row.during.share))
    return tuple(rows)
