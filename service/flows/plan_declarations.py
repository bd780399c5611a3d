"""Both sides of a plan: what is in force, and what documents declare, in the same terms."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from service.domain.field_changes import Concealed, Fields
from service.domain.notifications import Channel
from service.domain.plan import Held, Stated, Subject
from service.domain.slos import Slo
from service.specs.declarations import AppSpec, ChannelSpec, Declarations, SloSpec, TaskSpec
from service.store.ownership import (
    HeldApp,
    list_held_apps,
    list_held_channels,
    list_owned_slos,
    list_owned_tasks,
)
from service.store.slo_versions import write_version
from service.store.slos import list_archived_slos, list_slos
from service.store.tasks import EvaluatorChoice, StoredTask, list_tasks

# The database keeps no order.
_FIELDS = ("display_name", "indicator", "objective", "window_s", "calendar", "budgeting", "tiers")


def read_held(connection: Connection) -> dict[Subject, Held]:
    """Everything that was ever declared, but for tasks that are declared no more."""
    held: dict[Subject, Held] = {}
    for channel in list_held_channels(connection):
        stated = Stated(_fields_of_channel(channel.channel))
        subject = Subject("channel", channel.channel.name)
        held[subject] = Held(stated, channel.declared_beside, channel.is_archived)
    apps = {app.id: app for app in list_held_apps(connection)}
    held |= {Subject("app", app.name): Held(_state_app(app)) for app in apps.values()}
    owned_tasks = list_owned_tasks(connection)
    for task in list_tasks(connection):
        app = apps[task.app_id].name
        owners = frozenset([app] if (task.app_id, task.name) in owned_tasks else [])
        held[Subject("task", task.name, app)] = Held(Stated(_fields_of_task(task)), owners)
    owned_slos = list_owned_slos(connection)
    for is_archived, found in (
        (False, list_slos(connection)),
        (True, list_archived_slos(connection)),
    ):
        for stored in found:
            slo = stored.slo
            owners = frozenset([slo.app] if stored.id in owned_slos else [])
            stated = _state_slo(slo, stored.display_name)
            held[Subject("slo", slo.name, slo.app)] = Held(stated, owners, is_archived)
    return held


def state_declared(declared: Declarations) -> dict[Subject, Stated]:
    """Everything that documents declare."""
    stated: dict[Subject, Stated] = {}
    for channel in declared.channels:
        stated[Subject("channel", channel.name)] = Stated(_fields_of_channel(as_channel(channel)))
    for app in declared.apps:
        stated[Subject("app", app.name)] = _state_app(app)
    for task in declared.tasks:
        fields = _fields_of_task(as_task(task, app_id=0))
        stated[Subject("task", task.name, task.app)] = Stated(fields)
    for spec in declared.slos:
        stated[subject_of(spec)] = _state_slo(spec.slo, spec.display_name)
    return stated


def subject_of(spec: SloSpec) -> Subject:
    """What a plan calls the SLO."""
    return Subject("slo", spec.slo.name, spec.slo.app)


def as_channel(spec: ChannelSpec) -> Channel:
    """The channel as it is stored."""
    return Channel(spec.name, spec.type, spec.url, spec.secret)


def as_task(spec: TaskSpec, *, app_id: int) -> StoredTask:
    """The task as it is stored."""
    choices = tuple(
        EvaluatorChoice(
            choice.name,
            dict(choice.config),
            None if choice.passes is None else asdict(choice.passes),
            choice.reported,
        )
        for choice in spec.evaluators
    )
    contract = None if spec.contract is None else dict(spec.contract)
    return StoredTask(app_id, spec.name, contract, choices, spec.drift, spec.sample_rate)


def _fields_of_channel(channel: Channel) -> Fields:
    # Path and query of an address hold tokens, and its user part a password: none of it is shown.
    return {
        "type": channel.kind,
        "url": Concealed(channel.url, "(an address)"),
        "secret": None if channel.secret is None else Concealed(channel.secret, "(a secret)"),
    }


def _state_app(app: AppSpec | HeldApp) -> Stated:
    needs = frozenset(Subject("channel", name) for name in app.channels)
    return Stated(
        {
            "display_name": app.display_name,
            "team": app.team,
            "channels": sorted(app.channels),
            "simulated": app.simulated,
            "sample_rate": app.sample_rate,
            "samples_retention_days": app.samples_retention_days,
        },
        needs,
    )


def _fields_of_task(task: StoredTask) -> Fields:
    return {
        "contract": task.contract,
        "evaluators": [asdict(choice) for choice in task.evaluators],
        "drift": list(task.drift_evaluators),
        "sample_rate": task.sample_rate,
    }


def _state_slo(slo: Slo, display_name: str) -> Stated:
    indicator = slo.indicator
    needs = {Subject("slo", member.slo, slo.app) for member in indicator.members}
    if indicator.task:
        needs.add(Subject("task", indicator.task, slo.app))
    return Stated(shown_fields(write_version(slo, display_name)), frozenset(needs))


def shown_fields(definition: Mapping[str, Any]) -> Fields:
    """A version of an SLO as people compare it: without what follows from the rest."""
    tiers = [
        {name: value for name, value in tier.items() if name != "budget_share"}
        for tier in definition.get("tiers", ())
    ]
    known = {name: definition[name] for name in _FIELDS if name in definition}
    return {**known, **definition, "tiers": tiers}
