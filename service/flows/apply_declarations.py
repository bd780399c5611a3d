"""Bring the database to what YAML documents declare: all of it, or nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from evaluators.contract import PassRule, Task
from evaluators.registry import BrokenEvaluator, InvalidConfig, Registry, UnknownEvaluator
from service.domain.plan import Plan, Step, Subject, make_plan
from service.errors import ConflictError, UnavailableError
from service.flows.archive_slos import archive_slos
from service.flows.check_slos import refuse_useless_slos
from service.flows.measure_slo import measure_slo
from service.flows.plan_declarations import (
    as_channel,
    as_task,
    read_held,
    state_declared,
    subject_of,
)
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
from service.store.channels import put_channel
from service.store.database_errors import is_contention, sqlstate_of
from service.store.locks import hold, limit_lock_waits
from service.store.ownership import (
    archive_channel,
    drop_task,
    list_held_channels,
    note_channels,
    note_slo,
    note_task,
)
from service.store.slo_versions import add_version, write_version
from service.store.slos import StoredSlo, find_slo, list_slos, put_slo
from service.store.tasks import list_tasks, put_task
from service.store.usual_traffic import UsualTraffic, read_usual_traffic

LOCK = "apply"
LONGEST_WAIT_S = 60
_LOCK_NOT_AVAILABLE = "55P03"


class ApplyBusyError(UnavailableError):
    """Somebody else is writing the same; nothing was applied."""


class PlanOutdatedError(ConflictError):
    """Somebody else applied in the meantime; nothing was applied here."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How to apply.

    author, note:  who brings these versions of SLOs, and why.
    keep_missing:  archive nothing.
    strict:        a warning is a fault.
    dry_run:       change nothing, but check everything.
    agreed:        the plan that somebody has consented to; another one is not carried out.
    """

    author: str = "unknown"
    note: str = ""
    keep_missing: bool = False
    strict: bool = False
    dry_run: bool = False
    agreed: Plan | None = None


@dataclass(frozen=True, slots=True)
class WatchedTraffic:
    """A new or changed SLO, and what its indicator usually sees; None: nothing yet."""

    stored: StoredSlo
    traffic: UsualTraffic | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What was declared, what was done for it, and the SLOs that now promise something else."""

    declared: Declarations
    plan: Plan
    watched: tuple[WatchedTraffic, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was assumed of the documents."""
        return tuple(str(each) for each in self.declared.warnings)


def apply_declarations(
    engine: Engine,
    registry: Registry,
    files: Iterable[tuple[str, str]],
    environment: Mapping[str, str],
    *,
    now: datetime,
    terms: Terms | None = None,
) -> Applied:
    """Bring everything to what these (file name, text) declare, in one transaction.

    One at a time: another one waits. A dry run does all of it and takes it back, so it meets
    whatever would be met.

    Raises:
        InvalidDeclarationError, BlindSloError, BrokenCompositeError: with every fault.
        PlanOutdatedError: The plan is not the one that was agreed to.
        ApplyBusyError: Another apply, or an evaluation, did not let go in time.
    """
    try:
        return _apply(engine, registry, files, environment, terms or Terms(), now)
    except DBAPIError as error:
        if is_contention(error) or sqlstate_of(error) == _LOCK_NOT_AVAILABLE:
            raise ApplyBusyError("Nothing was applied: others write the same. Try again") from error
        raise


def _apply(
    engine: Engine,
    registry: Registry,
    files: Iterable[tuple[str, str]],
    environment: Mapping[str, str],
    terms: Terms,
    now: datetime,
) -> Applied:
    def check(choice: EvaluatorSpec, task: TaskSpec) -> Iterator[tuple[Path, str]]:
        return _faults_of(registry, choice, task)

    with engine.connect() as connection, connection.begin() as transaction:
        limit_lock_waits(connection, seconds=LONGEST_WAIT_S)
        hold(connection, LOCK)
        known = _read_known(connection)
        declared = parse_declarations(files, environment, known, check, strict=terms.strict)
        plan = make_plan(
            read_held(connection), state_declared(declared), keep_missing=terms.keep_missing
        )
        if terms.agreed is not None and plan != terms.agreed:
            raise PlanOutdatedError("The plan has changed since it was shown. Apply again")
        _carry_out(connection, declared, plan, terms, now)
        refuse_useless_slos(connection, registry)
        watched = tuple(_read_watched(connection, registry, plan, now))
        if terms.dry_run:
            transaction.rollback()
    return Applied(declared, plan, watched)


def _carry_out(
    connection: Connection, declared: Declarations, plan: Plan, terms: Terms, now: datetime
) -> None:
    steps = {step.subject: step for step in plan.steps}
    apps = frozenset(app.name for app in declared.apps)
    for channel in declared.channels:
        if steps[Subject("channel", channel.name)].is_change:
            put_channel(connection, as_channel(channel))
    note_channels(connection, [channel.name for channel in declared.channels], apps)
    for app in declared.apps:
        if steps[Subject("app", app.name)].is_change:
            _put_app(connection, app, now)
    for task in declared.tasks:
        app_id = _app_id(connection, task.app)
        if steps[Subject("task", task.name, task.app)].is_change:
            put_task(connection, as_task(task, app_id=app_id))
        note_task(connection, (app_id, task.name), with_app=task.app in apps)
    for slo in declared.slos:
        app_id = _app_id(connection, slo.slo.app)
        if (step := steps[subject_of(slo)]).is_change:
            _put_slo(connection, app_id, slo, step, terms, now)
        note_slo(connection, (app_id, slo.slo.name), with_app=slo.slo.app in apps)
    _archive(connection, plan, terms, now)


def _archive(connection: Connection, plan: Plan, terms: Terms, now: datetime) -> None:
    gone = [step.subject for step in plan.of("archive")]
    slos = [each for each in gone if each.kind == "slo"]
    names = [(each.app, each.name) for each in slos]
    archive_slos(connection, names, by=terms.author, note=terms.note, now=now)
    for each in gone:
        if each.kind == "task":
            drop_task(connection, (_app_id(connection, each.app), each.name))
        elif each.kind == "channel":
            archive_channel(connection, each.name, now=now)


def _put_slo(
    connection: Connection,
    app_id: int,
    spec: SloSpec,
    step: Step,
    terms: Terms,
    now: datetime,
) -> None:
    slo_id = put_slo(connection, app_id, spec.slo, display_name=spec.display_name)
    note = ": ".join(
        filter(None, ["declared again" if step.action == "revive" else "", terms.note])
    )
    definition = write_version(spec.slo, spec.display_name)
    add_version(connection, slo_id, definition, by=terms.author, note=note, now=now)


def _read_watched(
    connection: Connection, registry: Registry, plan: Plan, now: datetime
) -> Iterator[WatchedTraffic]:
    for step in plan.of("create", "change", "revive"):
        if step.subject.kind == "slo":
            stored = find_slo(connection, step.subject.app, step.subject.name)
            assert stored is not None  # noqa: S101 - this transaction has put it
            measured = measure_slo(connection, registry, stored)
            traffic = read_usual_traffic(connection, stored.slo, measured, now=now)
            yield WatchedTraffic(stored, traffic)


def _read_known(connection: Connection) -> Known:
    apps = {app.id: app.name for app in list_apps(connection)}
    channels = list_held_channels(connection)
    return Known(
        apps=frozenset(apps.values()),
        channels=frozenset(each.channel.name for each in channels if not each.is_archived),
        evaluators={
            (apps[task.app_id], task.name): frozenset(choice.name for choice in task.evaluators)
            for task in list_tasks(connection)
        },
        slos={(each.slo.app, each.slo.name): each.slo for each in list_slos(connection)},
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


def _app_id(connection: Connection, name: str) -> int:
    app = find_app(connection, name)
    assert app is not None  # noqa: S101 - the cross-checks found it, declared or stored
    return app.id
