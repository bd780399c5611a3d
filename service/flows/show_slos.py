"""Show how SLOs stand to Prometheus, by what their last evaluations stored."""

from datetime import datetime
from typing import cast

from sqlalchemy import Engine

from service.domain.burn_rate import Status
from service.domain.spells import look
from service.slo_metrics import Evidence, SloFacts, SloGauges
from service.store.slo_leaks import LeakState, read_leaks
from service.store.slos import SloState, StoredSlo, list_slos, read_states


def show_slos(engine: Engine, gauges: SloGauges, *, now: datetime) -> None:
    """In every worker: whoever is asked for metrics answers for all of them."""
    with engine.connect() as connection:
        slos, states = list_slos(connection), read_states(connection)
        leaks = read_leaks(connection)
    gauges.show(
        _facts(stored, states[stored.id], leaks.get(stored.id), now)
        for stored in slos
        if stored.id in states
    )


def _facts(stored: StoredSlo, state: SloState, leak: LeakState | None, now: datetime) -> SloFacts:
    sight = look(cast(Status, state.status), state.verdict, state.evaluated_at, now=now)
    return SloFacts(
        app=stored.slo.app,
        slo=stored.slo.name,
        objective=stored.slo.objective,
        status=sight.status,
        verdict=state.verdict,
        evaluated_at=state.evaluated_at,
        evidence=None if leak is None else Evidence(leak.e_value, leak.threshold),
    )
