"""What must hold of every SLO in force, whatever was declared last: it has something to count."""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from evaluators.registry import Registry
from service.domain.slos import Slo
from service.errors import InvalidInputError
from service.flows.build_evaluators import build_evaluators, versions_in_force
from service.specs.problems import list_allowed
from service.store.slos import StoredSlo, list_slos
from service.store.tasks import find_task


class BlindSloError(InvalidInputError):
    """An SLO would have nothing to count."""


class BrokenCompositeError(InvalidInputError):
    """A composite SLO names parts that it cannot have."""


def refuse_useless_slos(connection: Connection, registry: Registry) -> None:
    """Stored SLOs too: a task declared anew may have lost the evaluator that one of them needs.

    Raises:
        BlindSloError, BrokenCompositeError: with every fault of its kind.
    """
    in_force = list_slos(connection)
    slos = {(stored.slo.app, stored.slo.name): stored.slo for stored in in_force}
    blind = [
        f"- slo {stored.slo.app}/{stored.slo.name}: {fault}"
        for stored in in_force
        if (fault := _blindness_of(connection, registry, stored)) is not None
    ]
    if blind:
        raise BlindSloError("Nothing was applied:\n" + "\n".join(blind))
    broken = [
        f"- slo {slo.app}/{slo.name}: {fault}"
        for slo in slos.values()
        for fault in _faults_of_composite(slo, slos)
    ]
    if broken:
        raise BrokenCompositeError("Nothing was applied:\n" + "\n".join(broken))


def _faults_of_composite(slo: Slo, slos: Mapping[tuple[str, str], Slo]) -> Iterator[str]:
    parts = [
        name
        for (app, name), each in slos.items()
        if app == slo.app and each.indicator.kind != "composite"
    ]
    for member in slo.indicator.members:
        part = slos.get((slo.app, member.slo))
        if part is None:
            yield f"{slo.app} has no SLO {member.slo}; {list_allowed(parts, member.slo)}"
        elif part.indicator.kind == "composite":
            yield f"{member.slo} is a composite itself; name its parts"


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
    if indicator.evaluator not in built:
        return None  # the app reports its scores
    evaluator = built[indicator.evaluator]
    if indicator.kind == "mean" and evaluator.unit is not None:
        return (
            f"{indicator.evaluator} measures a quantity, so its mean says nothing of good and bad; "
            "take the share of scores that pass"
        )
    if indicator.kind == "quality" and evaluator.passes is None:
        return (
            f"{indicator.evaluator} measures a quantity, so nothing says which answers are good; "
            f"give it `passes: {{atLeast: ...}}` or `{{atMost: ...}}` in the task {task.name}"
        )
    return None
