"""Bring the consequences of error budget policies into force: record them, and tell the team."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import structlog
from sqlalchemy import Connection, Engine

from service import telemetry
from service.domain.budget_policy import (
    Crossing,
    PolicyStep,
    Spent,
    compose_crossing,
    judge_policy,
)
from service.domain.burn_rate import Status
from service.domain.spells import look
from service.store.apps import is_simulated
from service.store.budget_crossings import (
    begin_crossing,
    end_crossings,
    end_undeclared,
    read_crossings,
)
from service.store.locks import limit_lock_waits
from service.store.notifications import enqueue_notice
from service.store.slos import SloState, StoredSlo, list_slos, read_states

_log = structlog.get_logger()


def watch_budgets(engine: Engine, *, now: datetime) -> dict[str, PolicyStep]:
    """Judge the budgets that the last evaluations found; returns what changed, by `app/name`."""
    with engine.begin() as connection:
        slos, states = list_slos(connection), read_states(connection)
        longest = max((stored.slo.window for stored in slos), default=None)
        end_undeclared(connection, [stored.id for stored in slos], now=now)
        known = {} if longest is None else read_crossings(connection, since=now - longest)
    steps = {}
    for stored in slos:
        name = f"{stored.slo.app}/{stored.slo.name}"
        try:
            step = _watch(engine, stored, states.get(stored.id), known.get(stored.id, ()), now)
        except Exception as error:
            # One budget must not hold up the others; the next turn tries again.
            _log.error("budget_not_watched", slo=name, **telemetry.described(error))
        else:
            if step != PolicyStep():
                steps[name] = step
    return steps


def _watch(
    engine: Engine,
    stored: StoredSlo,
    state: SloState | None,
    crossings: Sequence[Crossing],
    now: datetime,
) -> PolicyStep:
    if state is None:
        return PolicyStep()
    # Of the time of the reading: at midnight it still is one of the period before.
    at = state.evaluated_at
    blind = look(cast(Status, state.status), state.verdict, at, now=now).cause is not None
    spent = None if blind else Spent.of(state.verdict)
    step = judge_policy(stored.slo, spent, crossings, now=at)
    if step == PolicyStep():
        return step
    with engine.begin() as connection:
        limit_lock_waits(connection)
        end_crossings(connection, stored.id, step.end, now=at)
        for crossing in step.begin:
            is_first = begin_crossing(connection, stored.id, crossing)
            if is_first and spent is not None and crossing in step.tell:
                _tell(connection, stored, crossing, spent, now)
    return step


def _tell(
    connection: Connection, stored: StoredSlo, crossing: Crossing, spent: Spent, now: datetime
) -> None:
    message = compose_crossing(
        stored.slo,
        stored.display_name,
        crossing,
        spent,
        simulated=is_simulated(connection, stored.app_id),
        at=now,
    )
    if not enqueue_notice(connection, stored.app_id, message, now=now):
        _log.warning("budget_crossing_told_nobody", app=stored.slo.app, slo=stored.slo.name)
