"""Build the evaluators that a task declares."""

from sqlalchemy import Connection

from evaluators.contract import PassRule, Task
from evaluators.registry import Built, Registry
from service.domain.slos import Indicator
from service.store.tasks import StoredTask, find_task


def build_evaluators(registry: Registry, task: StoredTask) -> tuple[Built, ...]:
    """Ready to score; raises an `EvaluatorError` where the declaration no longer fits the code."""
    facts = Task(task.name, task.contract)
    return tuple(
        registry.build(
            choice.name,
            choice.config,
            facts,
            PassRule(**choice.passes) if choice.passes is not None else None,
        )
        for choice in task.evaluators
    )


def version_in_force(
    connection: Connection, registry: Registry, app_id: int, indicator: Indicator
) -> str | None:
    """The version of a quality indicator's evaluator that scores now; None for availability."""
    task = find_task(connection, app_id, indicator.task)
    if indicator.evaluator is None or task is None:
        return None
    versions = {built.name: built.version for built in build_evaluators(registry, task)}
    return versions.get(indicator.evaluator)
