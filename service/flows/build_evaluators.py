"""Build the evaluators that a task declares."""

from collections.abc import Iterable

import structlog

from evaluators.contract import PassRule, Task
from evaluators.registry import Built, EvaluatorError, Registry
from service import telemetry
from service.store.tasks import EvaluatorChoice, StoredTask

_log = structlog.get_logger()


def build_evaluators(registry: Registry, task: StoredTask) -> tuple[Built, ...]:
    """Those that can be built here. One that cannot costs its own scores, not the others'."""
    own = (choice for choice in task.evaluators if not choice.reported)
    built = (_build(registry, task, choice) for choice in own)
    return tuple(each for each in built if each is not None)


def versions_in_force(built: Iterable[Built], task: StoredTask) -> dict[str, str]:
    """By name: of what scores here, and of what the app reports."""
    reported = {
        choice.name: choice.reported_rule.version for choice in task.evaluators if choice.reported
    }
    return reported | {each.name: each.version for each in built}


def _build(registry: Registry, task: StoredTask, choice: EvaluatorChoice) -> Built | None:
    facts = Task(task.name, task.contract)
    passes = PassRule(**choice.passes) if choice.passes is not None else None
    try:
        return registry.build(choice.name, choice.config, facts, passes)
    except EvaluatorError as error:
        telemetry.evaluators_not_in_force.labels(choice.name).inc()
        _log.error(
            "evaluator_not_in_force",
            task=task.name,
            evaluator=choice.name,
            error=str(error),
            remedy="install it where the workers and the API run, and restart them",
        )
        return None
