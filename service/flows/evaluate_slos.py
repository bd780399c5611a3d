"""Judge every SLO by its counts; what fires or clears goes through the one door of incidents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from service.flows.measure_slo import measure_slos
from service.flows.open_incident import clear_alert, raise_alert
from service.store import slos
from service.store.alerts import list_firing_alerts
from service.store.database_errors import is_transient
from service.store.locks import limit_lock_waits
from service.store.readings import SloReading, Wanted, read_slos
from service.store.slo_leaks import LeakState, read_leaks
from service.store.slos import SloState, StoredSlo, list_slos, read_states

_log = structlog.get_logger()


def evaluate_slos(engine: Engine, registry: Registry, *, now: datetime) -> dict[str, SloVerdict]:
    """Judge all SLOs; returns the verdicts by `app/name`.

    They are read together. What an SLO finds that nobody has to be told is written together as
    well; each that fires or clears has a transaction of its own.
    """
    # One snapshot: between two, a job that ends would be neither pending nor scored.
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        stored = list_slos(connection)
        states, leaks = read_states(connection), read_leaks(connection)
        alerting = {alert.source for alert in list_firing_alerts(connection, kind="slo")}
        measured = measure_slos(connection, registry, stored)
        wanted = [Wanted(each.slo, measured[each.id]) for each in stored]
        readings = _read_all(connection, wanted, now)
    verdicts, quiet = {}, []
    for each, want, reading in zip(stored, wanted, readings, strict=True):
        name = f"{each.slo.app}/{each.slo.name}"
        try:
            if isinstance(reading, Exception):
                raise reading
            finding = _judge(each, want, reading, states.get(each.id), leaks.get(each.id), now)
            if finding.verdict.alerting or each.slo.alert_source in alerting:
                _write(engine, finding, now)
            else:
                quiet.append(finding.state)
        except Exception as error:
            # One SLO must not blind the others. Its own state grows stale, which pages show.
            telemetry.slo_failures.inc()
            _log.error("slo_not_evaluated", slo=name, **telemetry.described(error))
        else:
            verdicts[name] = finding.verdict
    with engine.begin() as connection:
        slos.put_states(connection, quiet)
    return verdicts


def _read_all(
    connection: Connection, wanted: Sequence[Wanted], now: datetime
) -> list[SloReading | Exception]:
    """What there is to judge each by, or why it cannot be read."""
    try:
        return list(read_slos(connection, wanted, now=now))
    except Exception as error:
        if is_transient(error):
            raise
    return [_read_alone(connection, each, now) for each in wanted]


def _read_alone(connection: Connection, wanted: Wanted, now: datetime) -> SloReading | Exception:
    try:
        with connection.begin_nested():
            return read_slos(connection, [wanted], now=now)[0]
    except Exception as error:
        return error


@dataclass(frozen=True, slots=True)
class _Finding:
    stored: StoredSlo
    verdict: SloVerdict
    state: SloState


def _judge(
    stored: StoredSlo,
    wanted: Wanted,
    reading: SloReading,
    before: SloState | None,
    leak: LeakState | None,
    now: datetime,
) -> _Finding:
    slo, measured = stored.slo, wanted.measured
    alerting = before.verdict["alerting_tiers"] if before else []
    verdict = judge_slo(slo, reading.windows, now, previous=alerting)
    if measured.is_quality and measured.evaluator_version is None:
        why = f"{slo.indicator.evaluator} is not in force on the task {slo.indicator.task}"
        verdict = replace(verdict, sentence=f"{why}: {verdict.sentence}")
    document = verdict_document(verdict, reading.budget, budget(reading.budget, slo.objective))
    document["leak"] = leak and {"e_value": leak.e_value, "threshold": leak.threshold}
    state = SloState(stored.id, verdict.status, verdict.sentence, document, now)
    return _Finding(stored, verdict, state)


def _write(engine: Engine, finding: _Finding, now: datetime) -> None:
    with engine.begin() as connection:
        limit_lock_waits(connection)
        slos.put_states(connection, [finding.state])
        if not slos.lock_in_force(connection, finding.stored.id):
            return  # archived meanwhile: nobody would clear what it raises
        _tell(connection, finding.stored, finding.verdict, finding.state.verdict, now)


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
    what = "quality" if slo.indicator.is_of_scores else slo.indicator.kind
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
