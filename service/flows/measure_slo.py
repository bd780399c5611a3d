"""From what counts an SLO is measured: for quality, those of the evaluator version in force."""

from sqlalchemy import Connection

from evaluators.registry import EvaluatorError, Registry
from service.flows.build_evaluators import version_in_force
from service.store.readings import Measured
from service.store.slos import StoredSlo


def measure_slo(connection: Connection, registry: Registry, stored: StoredSlo) -> Measured:
    """No version where the evaluator is not declared any more or cannot be built."""
    indicator = stored.slo.indicator
    try:
        version = version_in_force(connection, registry, stored.app_id, indicator)
    except EvaluatorError:
        version = None
    return Measured(stored.app_id, indicator, version)
