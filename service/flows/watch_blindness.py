"""Note since when each SLO stands as it does; a blindness that lasts is an incident of its own."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import Connection, Engine

from service import telemetry
from service.domain.burn_rate import Status
from service.domain.corrections import excluded_minutes
from service.domain.incidents import AlertSignal
from service.domain.spells import (
    RUNBOOK,
    Sight,
    Spell,
    Surroundings,
    alarmed_at,
    continue_spell,
    describe_blindness,
    is_long,
    look,
)
from service.flows.open_incident import clear_alert, raise_alert
from service.store.alerts import list_firing_alerts
from service.store.corrections import list_corrections
from service.store.locks import limit_lock_waits
from service.store.slos import SloState, StoredSlo, list_slos, read_states
from service.store.spells import put_spells, read_spells
from service.store.surroundings import read_surroundings

_log = structlog.get_logger()


def watch_blindness(engine: Engine, *, patience: timedelta, now: datetime) -> dict[str, Spell]:
    """Returns the spells by `app/name`.

    It asks no evaluation to tell it: one that fails or hangs is what it looks for, too.

    patience: how long nothing can be judged before somebody is told.
    """
    with engine.begin() as connection:
        slos, states = list_slos(connection), read_states(connection)
        before = read_spells(connection)
        sights = {stored.id: _look(states.get(stored.id), now) for stored in slos}
        spells = {
            slo_id: continue_spell(before.get(slo_id), sight, now=now)
            for slo_id, sight in sights.items()
        }
        put_spells(connection, spells)
        alerting = {alert.source for alert in list_firing_alerts(connection, kind="blind")}
    for stored in slos:
        sight, spell = sights[stored.id], spells[stored.id]
        try:
            if sight.cause is not None and sight.cause == spell.cause:
                _tell(engine, stored, sight, spell, patience, now)
            elif sight.cause is None and _source(stored) in alerting:
                _clear(engine, _source(stored), "it can be judged again", now)
        except Exception as error:
            # One SLO must not hold up the others; the next turn tries again.
            name = f"{stored.slo.app}/{stored.slo.name}"
            _log.error("blindness_not_told", slo=name, **telemetry.described(error))
    _forget_undeclared(engine, slos, alerting, now)
    return {f"{stored.slo.app}/{stored.slo.name}": spells[stored.id] for stored in slos}


def _look(state: SloState | None, now: datetime) -> Sight:
    if state is None:
        return look(None, {}, None, now=now)
    return look(cast(Status, state.status), state.verdict, state.evaluated_at, now=now)


def _source(stored: StoredSlo) -> str:
    return f"blind/{stored.slo.app}/{stored.slo.name}"


def _tell(
    engine: Engine,
    stored: StoredSlo,
    sight: Sight,
    spell: Spell,
    patience: timedelta,
    now: datetime,
) -> None:
    if spell.lasts(now) < patience:
        return
    with engine.begin() as connection:
        limit_lock_waits(connection)
        indicator = stored.slo.indicator
        found = read_surroundings(connection, stored.app_id, indicator, now=now)
        began = spell.blind_since or now
        corrections = list_corrections(connection, since=began, app_id=stored.app_id)
        excluded = excluded_minutes(corrections, stored.slo, began, now)
        if is_long(spell, found, patience=patience, excluded=excluded, now=now):
            _raise(connection, stored, sight, spell, found, now)


def _raise(
    connection: Connection,
    stored: StoredSlo,
    sight: Sight,
    spell: Spell,
    found: Surroundings,
    now: datetime,
) -> None:
    slo = stored.slo
    signal = AlertSignal(
        source=_source(stored),
        kind="blind",
        app_id=stored.app_id,
        app=slo.app,
        environment=slo.indicator.environment,
        task=slo.indicator.task,
        # Nobody is known to be hurt. What fires already stays as severe as it is.
        severity="ticket",
        title=f"{slo.app}: {stored.display_name} cannot be judged",
        sentence=describe_blindness(spell, sight, found, now=now),
        evidence=_evidence(spell, sight, found, now),
    )
    raise_alert(connection, signal, now=now)


def _evidence(spell: Spell, sight: Sight, found: Surroundings, now: datetime) -> dict[str, Any]:
    seen = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(found).items()
    }
    return {
        "cause": spell.cause,
        "reason": sight.reason,
        "blind_since": (spell.blind_since or now).isoformat(),
        "alarmed_at": alarmed_at(spell, now=now).isoformat(),
        "runbook": RUNBOOK,
    } | seen


def _clear(engine: Engine, source: str, reason: str, now: datetime) -> None:
    with engine.begin() as connection:
        limit_lock_waits(connection)
        clear_alert(connection, source, now=now, reason=reason)


def _forget_undeclared(
    engine: Engine, slos: Sequence[StoredSlo], alerting: set[str], now: datetime
) -> None:
    for source in sorted(alerting - {_source(stored) for stored in slos}):
        _clear(engine, source, "the SLO is no longer declared", now)
