"""Bring the database to what YAML documents declare: all of it, or nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, Engine

from evaluators.contract import PassRule, Task
from evaluators.registry import BrokenEvaluator, InvalidConfig, Registry, UnknownEvaluator
from service.domain.notifications import Channel
from service.errors import InvalidInputError
from service.flows.build_evaluators import build_evaluators, versions_in_force
from service.specs.declarations import (
    AppSpec,
    Declarations,
    EvaluatorSpec,
    Known,
    PassBounds,
    SloSpec,
    TaskSpec,
)
from service.specs.parse_declarations import parse_declarations
from service.specs.problems import Path, list_allowed
from service.store.apps import find_app, list_apps, put_app
from service.store.channels import list_channel_names, put_channel
from service.store.slos import StoredSlo, list_slos, put_slo
from service.store.tasks import EvaluatorChoice, StoredTask, find_task, list_tasks, put_task


class BlindSloError(InvalidInputError):
    """An SLO would have nothing to count."""


def apply_declarations(
    engine: Engine,
    registry: Registry,
    files: Iterable[tuple[str, str]],
    environment: Mapping[str, str],
    *,
    now: datetime,
) -> Declarations:
    """Create or change what these (file name, text) declare; returns what that is.

    Raises:
        InvalidDeclarationError, BlindSloError: with every fault; nothing was changed then.
    """

    def check(choice: EvaluatorSpec, task: TaskSpec) -> Iterator[tuple[Path, str]]:
        return _faults_of(registry, choice, task)

    with engine.begin() as connection:
        declared = parse_declarations(files, environment, _read_known(connection), check)
        for channel in declared.channels:
            put_channel(
                connection, Channel(channel.name, channel.type, channel.url, channel.secret)
            )
        for app in declared.apps:
            _put_app(connection, app, now)
        for task in declared.tasks:
            _put_task(connection, task)
        for slo in declared.slos:
            _put_slo(connection, slo)
        _refuse_blind_slos(connection, registry)
    return declared


def _refuse_blind_slos(connection: Connection, registry: Registry) -> None:
    """Stored SLOs too: a task declared anew may have lost the evaluator that one of them needs."""
    faults = [
        f"- slo {stored.slo.app}/{stored.slo.name}: {fault}"
        for stored in list_slos(connection)
        if (fault := _blindness_of(connection, registry, stored)) is not None
    ]
    if faults:
        raise BlindSloError("Nothing was applied:\n" + "\n".join(faults))


def _blindness_of(connection: Connection, registry: Registry, stored: StoredSlo) -> str | None:
    indicator = stored.slo.indicator
    task = find_task(connection, stored.app_id, indicator.task)
    if indicator.evaluator is None or task is None:
        return None
    built = {each.name: each for each in build_evaluators(registry, task)}
    if indicator.evaluator not in versions_in_force(built.values(), task):
        return (
            f"the task {task.name} has no evaluator {indicator.evaluator} any more; keep it, "
            "or declare the SLO on another one"
        )
    if indicator.evaluator in built and built[indicator.evaluator].passes is None:
        return (
            f"{indicator.evaluator} measures a quantity, so nothing says which answers are good; "
            f"give it `passes: {{atLeast: ...}}` or `{{atMost: ...}}` in the task {task.name}"
        )
    return None


def _read_known(connection: Connection) -> Known:
    apps = {app.id: app.name for app in list_apps(connection)}
    return Known(
        apps=frozenset(apps.values()),
        channels=frozenset(list_channel_names(connection)),
        evaluators={
            (apps[task.app_id], task.name): frozenset(choice.name for choice in task.evaluators)
            for task in list_tasks(connection)
        },
    )


def _faults_of(
    registry: Registry, choice: EvaluatorSpec, task: TaskSpec
) -> Iterator[tuple[Path, str]]:
    if choice.reported:
        return  # it need not be installed here
    try:
        registry.build(
            choice.name, choice.config, Task(task.name, task.contract), _rule_of(choice.passes)
        )
    except UnknownEvaluator as error:
        yield ("name",), list_allowed(error.allowed, choice.name)
    except BrokenEvaluator as error:
        yield ("name",), str(error)
    except InvalidConfig as error:
        for problem in error.problems:
            yield tuple(problem.path.strip("/").split("/")), problem.reason


def _rule_of(bounds: PassBounds | None) -> PassRule | None:
    return None if bounds is None else PassRule(bounds.at_least, bounds.at_most)


def _put_app(connection: Connection, app: AppSpec, now: datetime) -> None:
    put_app(
        connection,
        name=app.name,
        display_name=app.display_name,
        team=app.team,
        simulated=app.simulated,
        channel_names=app.channels,
        sample_rate=app.sample_rate,
        samples_retention_days=app.samples_retention_days,
        now=now,
    )


def _put_task(connection: Connection, task: TaskSpec) -> None:
    choices = tuple(
        EvaluatorChoice(
            choice.name,
            dict(choice.config),
            None if choice.passes is None else asdict(choice.passes),
            choice.reported,
        )
        for choice in task.evaluators
    )
    contract = None if task.contract is None else dict(task.contract)
    app_id = _app_id(connection, task.app)
    put_task(
        connection,
        StoredTask(app_id, task.name, contract, choices, task.drift, task.sample_rate),
    )


def _put_slo(connection: Connection, spec: SloSpec) -> None:
    put_slo(
        connection,
        _app_id(connection, spec.slo.app),
        spec.slo,
        display_name=spec.display_name,
    )


def _app_id(connection: Connection, name: str) -> int:
    app = find_app(connection, name)
    assert app is not None  # noqa: S101 - the cross-checks found it, declared or stored
    return app.id
