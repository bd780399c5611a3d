"""Judge every SLO by its counts; what fires or clears goes through the one door of incidents."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service import telemetry
from service.domain.burn_rate import Budget, SloVerdict, TierVerdict, budget, judge_slo
from service.domain.incidents import AlertSignal
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.domain.time_slices import floor_minute
from service.flows.measure_slo import measure_slo
from service.flows.open_incident import clear_alert, raise_alert
from service.store import slos
from service.store.locks import limit_lock_waits
from service.store.readings import read_tally, read_windows
from service.store.slos import SloState, StoredSlo, list_slos, read_states

_log = structlog.get_logger()


def evaluate_slos(engine: Engine, registry: Registry, *, now: datetime) -> dict[str, SloVerdict]:
    """Judge all SLOs, each in a transaction of its own; returns the verdicts by `app/name`."""
    with engine.connect() as connection:
        stored_slos = list_slos(connection)
    verdicts = {}
    for stored in stored_slos:
        name = f"{stored.slo.app}/{stored.slo.name}"
        try:
            verdicts[name] = _evaluate(engine, registry, stored, now)
        except Exception as error:
            # One SLO must not blind the others. Its own state grows stale, which pages show.
            telemetry.slo_failures.inc()
            _log.error("slo_not_evaluated", slo=name, **telemetry.described(error))
    return verdicts


def _evaluate(engine: Engine, registry: Registry, stored: StoredSlo, now: datetime) -> SloVerdict:
    slo = stored.slo
    # One snapshot: between two, a job that ends would be neither pending nor scored.
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        before = read_states(connection).get(stored.id)
        measured = measure_slo(connection, registry, stored)
        readings = read_windows(connection, measured, slo.window_lengths, now=now)
        tally = read_tally(connection, measured, floor_minute(now) - slo.window, now)
    alerting = before.verdict["alerting_tiers"] if before else []
    verdict = judge_slo(slo, readings, now, previous=alerting)
    if measured.is_quality and measured.evaluator_version is None:
        why = f"{slo.indicator.evaluator} is not in force on the task {slo.indicator.task}"
        verdict = replace(verdict, sentence=f"{why}: {verdict.sentence}")
    document = verdict_document(verdict, tally, budget(tally, slo.objective))
    with engine.begin() as connection:
        limit_lock_waits(connection)
        state = SloState(stored.id, verdict.status, verdict.sentence, document, now)
        slos.put_state(connection, state)
        _tell(connection, stored, verdict, document, now)
    return verdict


def _tell(
    connection: Connection,
    stored: StoredSlo,
    verdict: SloVerdict,
    document: dict[str, Any],
    now: datetime,
) -> None:
    slo, indicator = stored.slo, stored.slo.indicator
    if verdict.severity is not None and verdict.status == "firing":
        signal = AlertSignal(
            source=slo.alert_source,
            kind="slo",
            app_id=stored.app_id,
            app=slo.app,
            environment=indicator.environment,
            task=indicator.task,
            severity=verdict.severity,
            title=_title(slo, stored.display_name),
            sentence=verdict.sentence,
            evidence=document,
        )
        raise_alert(connection, signal, now=now)
    elif not verdict.alerting:
        clear_alert(connection, slo.alert_source, now=now, reason=verdict.sentence)


def _title(slo: Slo, display_name: str) -> str:
    what = "quality" if slo.indicator.kind == "quality" else "availability"
    return f"{slo.app}: {display_name} burns its {what} budget too fast"


def verdict_document(verdict: SloVerdict, tally: Tally, spent: Budget) -> dict[str, Any]:
    """A verdict as JSON: raw values and bounds side by side, so that an alert explains itself."""
    bad = tally.interval()
    return {
        "severity": verdict.severity,
        "alerting_tiers": sorted(verdict.alerting_tiers),
        "tiers": [_tier_document(tier) for tier in verdict.tiers],
        "budget": {
            "spent": spent.spent,
            "remaining": spent.remaining,
            "interval": list(spent.interval),
        },
        "attainment": {
            "good_ratio": None if tally.bad_ratio is None else 1 - tally.bad_ratio,
            "interval": [1 - bad.upper, 1 - bad.lower],
            "n": tally.n,
            "effective_n": tally.effective_n,
        },
    }


def _tier_document(judged: TierVerdict) -> dict[str, Any]:
    return {
        "key": judged.tier.key,
        "severity": judged.tier.severity,
        "long_s": judged.tier.long.total_seconds(),
        "short_s": judged.tier.short.total_seconds(),
        "factor": judged.tier.factor,
        "status": judged.status,
        "alerting": judged.alerting,
        "long_burn": judged.long_burn,
        "long_burn_at_least": judged.long_burn_at_least,
        "short_burn": judged.short_burn,
        "reason": judged.reason,
        "cause": judged.cause,
    }
