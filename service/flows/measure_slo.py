"""From what counts SLOs are measured: for quality, those of the evaluator version in force."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from evaluators.registry import Registry
from service.domain.corrections import excluded_minutes
from service.flows.build_evaluators import build_evaluators, versions_in_force
from service.store.corrections import list_corrections
from service.store.measured import Measured
from service.store.slos import StoredSlo, list_slos
from service.store.tasks import list_tasks

_EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def measure_slo(connection: Connection, registry: Registry, stored: StoredSlo) -> Measured:
    """No version where the evaluator is not declared any more or cannot be built."""
    siblings = list_slos(connection, app=stored.slo.app) if stored.slo.indicator.members else ()
    return measure_slos(connection, registry, [*siblings, stored])[stored.id]


def measure_slos(
    connection: Connection, registry: Registry, stored: Sequence[StoredSlo]
) -> dict[int, Measured]:
    """The same of many, by the SLO's id; the parts of a composite have to be among them."""
    scored = {(each.app_id, each.slo.indicator.task) for each in stored if _is_scored(each)}
    versions = {
        (task.app_id, task.name): versions_in_force(build_evaluators(registry, task), task)
        for task in list_tasks(connection)
        if (task.app_id, task.name) in scored
    }
    corrections = list_corrections(connection)
    measured = {}
    for each in stored:
        slo, indicator = each.slo, each.slo.indicator
        version = versions.get((each.app_id, indicator.task), {}).get(indicator.evaluator or "")
        excluded = excluded_minutes(corrections, slo, *_EVER)
        measured[each.id] = Measured(each.app_id, indicator, version, slo.budgeting, excluded)
    by_name = {(each.slo.app, each.slo.name): measured[each.id] for each in stored}
    for each in stored:
        if each.slo.indicator.members:
            measured[each.id] = _composed(each, by_name)
    return measured


def _is_scored(stored: StoredSlo) -> bool:
    return stored.slo.indicator.is_of_scores


def _composed(stored: StoredSlo, by_name: dict[tuple[str, str], Measured]) -> Measured:
    indicator, whole = stored.slo.indicator, by_name[stored.slo.app, stored.slo.name]
    parts = tuple(
        # What is excluded for the whole is so for its parts.
        (replace(part, excluded=(*part.excluded, *whole.excluded)), member.weight)
        for member in indicator.members
        if (part := by_name.get((stored.slo.app, member.slo))) is not None
    )
    return replace(whole, parts=parts)
