"""Test every watched stream against its reference; drift goes through the one door of incidents."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, Engine

from evaluators.registry import Built, EvaluatorError, Registry
from service.domain.drift.hourly import count_by_hour
from service.domain.drift.reference import (
    MINIMUM_ROWS,
    InsufficientReference,
    build_reference,
)
from service.domain.drift.reference_window import end_of_reference
from service.domain.drift.verdict import DriftPolicy, DriftVerdict, HourlyCounts, judge_drift
from service.domain.incidents import AlertSignal
from service.domain.scores import Stream
from service.flows.build_evaluators import build_evaluators
from service.flows.open_incident import clear_alert, raise_alert
from service.settings import Settings
from service.store import drift
from service.store.apps import list_apps
from service.store.call_counts import list_environments
from service.store.drift import StoredReference
from service.store.scores import read_call_times, read_values
from service.store.tasks import StoredTask, list_tasks

_WATCHED_WITHIN = timedelta(days=7)
"""A task that was not called for this long is not watched any more."""
_log = structlog.get_logger()


def detect_drift(
    engine: Engine, registry: Registry, settings: Settings, *, now: datetime
) -> dict[Stream, DriftVerdict]:
    """Judge every watched stream, each in a transaction of its own."""
    policy = DriftPolicy(false_incidents=settings.expected_false_drift_incidents_per_quarter)
    watched = _watched_streams(engine, registry, now)
    with engine.connect() as connection:
        app_names = {app.id: app.name for app in list_apps(connection)}
        held = _held_alarms(connection, policy, now)
    verdicts = {}
    for stream, built in watched.items():
        reference = _reference_of(engine, stream, settings.drift_reference_days, now)
        with engine.begin() as connection:
            batches = _batches(connection, reference)
            verdict = judge_drift(
                reference if isinstance(reference, InsufficientReference) else reference.reference,
                batches,
                policy,
                len(watched),
                now,
                metric=f"{stream.evaluator} of {stream.task}",
                unit=built.unit or "",
            )
            if verdict.status == "healthy" and stream[:4] in held:
                continue  # an alarm of a part of an hour lasts as long as one of a whole hour
            document = to_jsonable_python(asdict(verdict), inf_nan_mode="null")
            drift.put_state(connection, stream, verdict, document, now=now)
            _tell(connection, app_names[stream.app_id], stream, verdict, document, now)
        verdicts[stream] = verdict
    return verdicts


def _held_alarms(
    connection: Connection, policy: DriftPolicy, now: datetime
) -> set[tuple[int, str, str, str]]:
    """Streams whose last stored alarm still lasts."""
    return {
        (state.app_id, state.environment, state.task, state.evaluator)
        for state in drift.list_states(connection)
        if state.status == "firing"
        and now - datetime.fromisoformat(state.verdict["alarmed_at"]) <= policy.hold
    }


def _watched_streams(engine: Engine, registry: Registry, now: datetime) -> dict[Stream, Built]:
    streams = {}
    with engine.connect() as connection:
        for task in list_tasks(connection):
            watched = [
                built for built in _built_of(registry, task) if built.name in task.drift_evaluators
            ]
            environments = list_environments(
                connection, task.app_id, task.name, now=now, within=_WATCHED_WITHIN
            )
            for environment in environments:
                for built in watched:
                    key = (task.app_id, environment, task.name, built.name, built.version)
                    streams[Stream(*key)] = built
    return streams


def _built_of(registry: Registry, task: StoredTask) -> Sequence[Built]:
    try:
        return build_evaluators(registry, task)
    except EvaluatorError as error:
        # One task whose evaluator is gone must not blind the others.
        _log.error("drift_not_tested", task=task.name, error=str(error))
        return ()


def _reference_of(
    engine: Engine, stream: Stream, minimum_days: int, now: datetime
) -> StoredReference | InsufficientReference:
    with engine.connect() as connection:
        stored = drift.find_reference(connection, stream)
        if stored is not None:
            return stored
        first = read_call_times(connection, stream, at_most=MINIMUM_ROWS)
    end = end_of_reference(first, now=now, minimum_days=minimum_days)
    if end is None:
        return InsufficientReference(rows=len(first))
    with engine.begin() as connection:
        return _build_reference(connection, stream, first[0], end, now)


def _build_reference(
    connection: Connection, stream: Stream, start: datetime, end: datetime, now: datetime
) -> StoredReference | InsufficientReference:
    """The stream's reference; and its scores after it, that nobody has counted, counted."""
    drift.lock_stream(connection, stream, shared=False)
    rows = read_values(connection, stream, start=start, end=end)
    reference = build_reference([row[1] for row in rows], [row[2] for row in rows])
    if isinstance(reference, InsufficientReference):
        return reference
    stored = drift.add_reference(
        connection, stream, reference, starts_at=start, ends_at=end, now=now
    )
    later = read_values(connection, stream, start=end)
    drift.add_counts(connection, stored, count_by_hour(later, reference.edges))
    _log.info("drift_reference_built", stream=stream, rows=reference.rows)
    return stored


def _batches(
    connection: Connection, reference: StoredReference | InsufficientReference
) -> HourlyCounts:
    if isinstance(reference, InsufficientReference):
        return []
    return drift.read_batches(connection, reference)


def _tell(
    connection: Connection,
    app: str,
    stream: Stream,
    verdict: DriftVerdict,
    document: dict[str, Any],
    now: datetime,
) -> None:
    source = f"drift/{app}/{stream.environment}/{stream.task}/{stream.evaluator}"
    if verdict.status == "firing":
        signal = AlertSignal(
            source=source,
            kind="drift",
            app_id=stream.app_id,
            app=app,
            environment=stream.environment,
            task=stream.task,
            # Whether a change of behaviour does harm is for a person, in the morning.
            severity="ticket",
            title=f"{app}: {stream.evaluator} of {stream.task} has drifted",
            sentence=verdict.sentence,
            evidence=document,
        )
        raise_alert(connection, signal, now=now)
    elif verdict.status == "healthy":
        clear_alert(connection, source, now=now, reason=verdict.sentence)
