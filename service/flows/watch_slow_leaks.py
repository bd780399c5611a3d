"""Look for slow leaks once an hour is complete; what leaks goes through the one door of incidents.

An SLO on scores is judged by the evidence that is stored with them; one on calls by the counts of
each hour. Others (time slices, composites, what users say) have no calls that can be bet on one by
one, and are left to the burn rates.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service import telemetry
from service.domain.bets import weigh_counts
from service.domain.incidents import AlertSignal
from service.domain.leak_targets import Target, is_counted, is_target
from service.domain.leak_verdicts import (
    LeakVerdict,
    complete_until,
    corrected_hours,
    hour_number,
    hour_start,
    judge_leak,
)
from service.domain.slow_leaks import (
    History,
    LeakPolicy,
    LeakReading,
    has_recovered,
    history_of,
    run_detectors,
    without,
)
from service.flows.measure_slo import measure_slos
from service.flows.open_incident import clear_alert, raise_alert
from service.settings import Settings
from service.store import partitions, slo_evidence, slo_leaks
from service.store.alerts import list_firing_alerts
from service.store.corrections import list_corrections
from service.store.hourly_counts import read_hourly
from service.store.locks import limit_lock_waits
from service.store.slo_leaks import LeakState
from service.store.slos import StoredSlo, list_slos

LATENESS = timedelta(minutes=10)
"""How long after its end an hour is judged first. What comes later counts with the next turn."""
_AT_ONCE = 100
"""SLOs whose hours are held in memory."""
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Watched:
    """An SLO, the version of its evaluator that is in force, and its detector's past."""

    stored: StoredSlo
    evaluator_version: str | None
    last: LeakState | None
    alerting: bool
    cleared_at: datetime | None

    @property
    def target(self) -> Target:
        return Target(self.stored.id, self.stored.slo)

    @property
    def is_new(self) -> bool:
        return self.last is None or self.last.target_version != self.target.version

    @property
    def start(self) -> int:
        """The first hour that counts: the first whole one since the last alert was cleared."""
        return 0 if self.cleared_at is None else hour_number(self.cleared_at) + 1


def watch_slow_leaks(
    engine: Engine, registry: Registry, settings: Settings, *, now: datetime
) -> dict[str, LeakVerdict]:
    """Judge all SLOs, if an hour has become complete or one is new; verdicts by `app/name`.

    The evidence of an SLO that is new, or was changed, is made from the scores that are stored.
    """
    policy = LeakPolicy(settings.expected_false_leak_tickets_per_quarter)
    until = complete_until(now, LATENESS)
    watched = _list_watched(engine, registry, now)
    if all(not each.is_new and _is_judged(each, until) for each in watched):
        return {}
    before = until - timedelta(hours=policy.looks_back + policy.weights_from)
    for each in watched:
        if each.is_new and is_target(each.stored.slo):
            _rebuild(engine, each, before, now)
    verdicts: dict[str, LeakVerdict] = {}
    for first in range(0, len(watched), _AT_ONCE):
        group = watched[first : first + _AT_ONCE]
        histories = _read_histories(engine, group, before, until)
        readings = run_detectors(
            histories,
            [each.start for each in group],
            end=hour_number(until),
            policy=policy,
            streams=len(watched),
        )
        for each, history, reading in zip(group, histories, readings, strict=True):
            verdicts |= _judge_safely(engine, each, history, reading, policy, now)
    return verdicts


def _judge_safely(
    engine: Engine,
    each: _Watched,
    history: History,
    reading: LeakReading,
    policy: LeakPolicy,
    now: datetime,
) -> dict[str, LeakVerdict]:
    """One SLO must not blind the others; its own state grows stale, which pages show."""
    name = f"{each.stored.slo.app}/{each.stored.slo.name}"
    try:
        return {name: _judge(engine, each, history, reading, policy, now)}
    except Exception as error:
        telemetry.slo_failures.inc()
        _log.error("slow_leak_not_judged", slo=name, **telemetry.described(error))
        return {}


def _is_judged(each: _Watched, until: datetime) -> bool:
    return each.last is not None and each.last.judged_until >= until


def _list_watched(engine: Engine, registry: Registry, now: datetime) -> list[_Watched]:
    with engine.connect() as connection:
        states = slo_leaks.read_leaks(connection)
        firing = {alert.source for alert in list_firing_alerts(connection, kind="leak")}
        cleared = slo_leaks.read_last_cleared(connection)
        declared = list_slos(connection)
        measured = measure_slos(connection, registry, declared)
    watched = [
        _Watched(
            stored,
            measured[stored.id].evaluator_version,
            states.get(stored.id),
            stored.slo.leak_source in firing,
            cleared.get(stored.slo.leak_source),
        )
        for stored in declared
        if is_target(stored.slo) or is_counted(stored.slo)
    ]
    _forget_others(engine, watched, states, firing, now)
    return watched


def _forget_others(
    engine: Engine,
    watched: Sequence[_Watched],
    states: Mapping[int, LeakState],
    firing: set[str],
    now: datetime,
) -> None:
    """Clear the alerts of what nobody declares any more; nothing else ever would."""
    for slo_id in states.keys() - {each.stored.id for each in watched}:
        with engine.begin() as connection:
            slo_leaks.drop_leak(connection, slo_id)
    for source in sorted(firing - {each.stored.slo.leak_source for each in watched}):
        with engine.begin() as connection:
            clear_alert(connection, source, now=now, reason="no longer watched")


def _rebuild(engine: Engine, each: _Watched, start: datetime, now: datetime) -> None:
    app_id, target = each.stored.app_id, each.target
    end = hour_start(hour_number(now)) + _HOUR * 2  # clocks of apps run ahead a little
    while start < end:
        part = min(start + _DAY, end)  # scoring of the app waits for one of them at a time
        partitions.ensure(engine, [start, part])
        with engine.begin() as connection:
            slo_evidence.rebuild_evidence(connection, app_id, target, start=start, end=part)
        start = part


def _read_histories(
    engine: Engine, watched: Sequence[_Watched], start: datetime, end: datetime
) -> list[History]:
    of_apps: dict[int, list[tuple[Target, str]]] = defaultdict(list)
    found: dict[int, History] = {}
    with engine.connect() as connection:
        for each in watched:
            if not is_target(each.stored.slo):
                found[each.stored.id] = _count(connection, each, start, end)
            elif each.evaluator_version is not None:
                key = (each.target, each.evaluator_version)
                of_apps[each.stored.app_id].append(key)
        for app_id, targets in of_apps.items():
            found |= slo_evidence.read_histories(connection, app_id, targets, start=start, end=end)
        corrections = list_corrections(connection, since=start)
    return [
        without(
            found.get(each.stored.id, history_of([])), corrected_hours(each.stored.slo, corrections)
        )
        for each in watched
    ]


def _count(connection: Connection, each: _Watched, start: datetime, end: datetime) -> History:
    slo = each.stored.slo
    hours = read_hourly(connection, each.stored.app_id, slo.indicator, start, end)
    return history_of(
        [(hour_number(at), weigh_counts(tally, slo.objective)) for at, tally in hours]
    )


def _judge(
    engine: Engine,
    each: _Watched,
    history: History,
    reading: LeakReading,
    policy: LeakPolicy,
    now: datetime,
) -> LeakVerdict:
    slo = each.stored.slo
    recovered = each.alerting and has_recovered(history, reading.end, slo.objective, policy)
    verdict = judge_leak(slo, reading, policy, was_alerting=each.alerting, recovered=recovered)
    alarmed_at = _alarmed_at(each, verdict, now)
    document = _document(reading, alarmed_at)
    state = LeakState(
        each.stored.id,
        each.target.version,
        verdict.status,
        verdict.sentence,
        reading.e_value,
        reading.threshold,
        reading.hours_seen,
        hour_start(reading.end),
        None if reading.onset is None else hour_start(reading.onset),
        alarmed_at,
        document,
    )
    with engine.begin() as connection:
        limit_lock_waits(connection)
        slo_leaks.put_leak(connection, state)
        if verdict.status == "firing":
            raise_alert(connection, _signal(each.stored, verdict, document), now=now)
        elif each.alerting and not verdict.alerting:
            clear_alert(connection, each.stored.slo.leak_source, now=now, reason=verdict.sentence)
    return verdict


def _alarmed_at(each: _Watched, verdict: LeakVerdict, now: datetime) -> datetime | None:
    if not verdict.alerting:
        return None
    return (each.last and each.alerting and each.last.alarmed_at) or now


def _signal(stored: StoredSlo, verdict: LeakVerdict, document: dict[str, Any]) -> AlertSignal:
    slo, indicator = stored.slo, stored.slo.indicator
    return AlertSignal(
        source=stored.slo.leak_source,
        kind="slo",
        app_id=stored.app_id,
        app=slo.app,
        environment=indicator.environment,
        task=indicator.task,
        # What took days to find does not need anybody tonight.
        severity="ticket",
        title=f"{slo.app}: {stored.display_name} leaks its budget slowly",
        sentence=verdict.sentence,
        evidence=document,
    )


def _document(reading: LeakReading, alarmed_at: datetime | None) -> dict[str, Any]:
    since, interval = reading.since, reading.interval
    return {
        "e_value": reading.e_value,
        "threshold": reading.threshold,
        "hours_seen": reading.hours_seen,
        "judged_until": hour_start(reading.end).isoformat(),
        "leaking_since": None if reading.onset is None else hour_start(reading.onset).isoformat(),
        "alarmed_at": None if alarmed_at is None else alarmed_at.isoformat(),
        "bad_ratio": since.bad_ratio,
        "interval": list(interval),
        "n": since.n,
        "bad_n": since.bad_n,
        "effective_n": since.effective_n,
    }
