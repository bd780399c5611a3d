"""Test every watched stream against its reference; drift goes through the one door of incidents.

Only a person re-baselines. A new version of an evaluator starts a new reference, but not while an
alarm of another version is uncleared, and never clears that one: who resolves its incident says
that what the new version sees from its first days on is normal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, Engine

from evaluators.registry import Built, Registry
from service.domain.drift.reference import InsufficientReference
from service.domain.drift.verdict import DriftPolicy, DriftVerdict, HourlyCounts, judge_drift
from service.domain.incidents import AlertSignal, problem_of
from service.domain.scores import Stream
from service.flows.build_evaluators import build_evaluators
from service.flows.open_incident import clear_alert, raise_alert
from service.flows.settle_reference import settle_reference
from service.settings import Settings
from service.store import drift
from service.store.alerts import list_firing_alerts
from service.store.apps import list_apps
from service.store.call_counts import list_environments
from service.store.drift import StoredReference
from service.store.tasks import StoredTask, list_tasks

_WATCHED_WITHIN = timedelta(days=7)
"""A task that was not called for this long is not watched any more."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Past:
    """What earlier runs have left."""

    app_names: Mapping[int, str]
    last_alarms: Mapping[Stream, datetime]
    raised_by: Mapping[str, str]
    """The evaluator version of each uncleared alert, by its source."""

    def source_of(self, stream: Stream) -> str:
        return _source(self.app_names[stream.app_id], *stream[1:4])

    def is_of_other_version(self, stream: Stream) -> bool:
        """An alarm on the stream's scores is uncleared, and another version raised it."""
        version = stream.evaluator_version
        return self.raised_by.get(self.source_of(stream), version) != version


def detect_drift(
    engine: Engine, registry: Registry, settings: Settings, *, now: datetime
) -> dict[Stream, DriftVerdict]:
    """Judge every watched stream, each in a transaction of its own.

    A watched evaluator that is declared no more takes its verdict and its alert along; a task that
    is merely silent keeps them.
    """
    policy = DriftPolicy(false_incidents=settings.expected_false_drift_incidents_per_quarter)
    _forget_undeclared(engine, now)
    watched = _watched_streams(engine, registry, now)
    with engine.connect() as connection:
        past = _read_past(connection)
    verdicts = {}
    for stream, built in watched.items():
        reference = settle_reference(
            engine,
            stream,
            minimum_days=settings.drift_reference_days,
            is_held_back=past.is_of_other_version(stream),
            now=now,
        )
        with engine.begin() as connection:
            verdict = judge_drift(
                reference if isinstance(reference, InsufficientReference) else reference.reference,
                _batches(connection, reference),
                policy,
                len(watched),
                now,
                last_alarm=past.last_alarms.get(stream),
                metric=f"{stream.evaluator} of {stream.task}",
                unit=built.unit or "",
            )
            document = to_jsonable_python(asdict(verdict), inf_nan_mode="null")
            document["evaluator_version"] = stream.evaluator_version
            drift.put_state(connection, stream, verdict, document, now=now)
            if not past.is_of_other_version(stream):
                _tell(connection, past, stream, verdict, document, now)
        verdicts[stream] = verdict
    return verdicts


def _source(app: str, environment: str, task: str, evaluator: str) -> str:
    return f"drift/{problem_of(app, environment, task)}/{evaluator}"


def _read_past(connection: Connection) -> _Past:
    states = drift.list_states(connection)
    alerts = list_firing_alerts(connection, kind="drift")
    return _Past(
        app_names={app.id: app.name for app in list_apps(connection)},
        last_alarms={
            state.stream: datetime.fromisoformat(state.verdict["alarmed_at"])
            for state in states
            if state.verdict["alarmed_at"] is not None
        },
        raised_by={alert.source: alert.evidence["evaluator_version"] for alert in alerts},
    )


def _forget_undeclared(engine: Engine, now: datetime) -> None:
    """Clear the alerts of what nobody declares any more; nothing else ever would."""
    with engine.begin() as connection:
        names = {app.id: app.name for app in list_apps(connection)}
        declared = set(_declared(list_tasks(connection)))
        for state in drift.list_states(connection):
            if (state.app_id, state.task, state.evaluator) not in declared:
                drift.drop_state(connection, state)
        alerts = list_firing_alerts(connection, kind="drift")
    for alert in alerts:
        sources = {
            _source(names[app_id], alert.environment, task, evaluator)
            for app_id, task, evaluator in declared
        }
        if alert.source not in sources:
            with engine.begin() as connection:
                clear_alert(connection, alert.source, now=now, reason="no longer watched")


def _declared(tasks: Sequence[StoredTask]) -> Iterator[tuple[int, str, str]]:
    for task in tasks:
        for evaluator in task.drift_evaluators:
            yield task.app_id, task.name, evaluator


def _watched_streams(engine: Engine, registry: Registry, now: datetime) -> dict[Stream, Built]:
    streams = {}
    with engine.connect() as connection:
        for task in list_tasks(connection):
            watched = [
                built
                for built in build_evaluators(registry, task)
                if built.name in task.drift_evaluators
            ]
            environments = list_environments(
                connection, task.app_id, task.name, now=now, within=_WATCHED_WITHIN
            )
            for environment in environments:
                for built in watched:
                    key = (task.app_id, environment, task.name, built.name, built.version)
                    streams[Stream(*key)] = built
    return streams


def _batches(
    connection: Connection, reference: StoredReference | InsufficientReference
) -> HourlyCounts:
    if isinstance(reference, InsufficientReference):
        return []
    return drift.read_batches(connection, reference)


def _tell(
    connection: Connection,
    past: _Past,
    stream: Stream,
    verdict: DriftVerdict,
    document: dict[str, Any],
    now: datetime,
) -> None:
    app, source = past.app_names[stream.app_id], past.source_of(stream)
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
