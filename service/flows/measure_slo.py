"""From what counts an SLO is measured: for quality, those of the evaluator version in force."""

from sqlalchemy import Connection

from evaluators.registry import Registry
from service.flows.build_evaluators import build_evaluators, versions_in_force
from service.store.measured import Measured
from service.store.slos import StoredSlo
from service.store.tasks import find_task


def measure_slo(connection: Connection, registry: Registry, stored: StoredSlo) -> Measured:
    """No version where the evaluator is not declared any more or cannot be built."""
    indicator = stored.slo.indicator
    task = find_task(connection, stored.app_id, indicator.task)
    if indicator.evaluator is None or task is None:
        return Measured(stored.app_id, indicator, None)
    versions = versions_in_force(build_evaluators(registry, task), task)
    return Measured(stored.app_id, indicator, versions.get(indicator.evaluator))
