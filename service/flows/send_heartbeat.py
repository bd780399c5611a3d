"""The dead man's switch: a heartbeat goes out only while SLOs are evaluated and stored.

Whoever receives it alarms when it stops: what watches over apps cannot report its own death.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

import structlog
from sqlalchemy import Engine

from service import telemetry
from service.domain.spells import is_stale
from service.notify.contract import DeliveryError
from service.store.heartbeats import begin_heartbeat, record_heartbeat
from service.store.locks import limit_lock_waits
from service.store.slos import latest_evaluation, list_slos

SENT_EVERY = timedelta(minutes=1)
_ALMOST = timedelta(seconds=10)
"""Turns of several workers do not keep time with each other."""

Outcome = Literal["sent", "failed", "withheld", "left to another worker"]
_log = structlog.get_logger()


def send_heartbeat(
    engine: Engine,
    post: Callable[[str], None],
    *,
    url: str | None,
    clock: Callable[[], datetime],
) -> Outcome:
    """Measure the heartbeat, and post it where there is somewhere to.

    An SLO that fails alone is an incident (`watch_blindness`); here it counts that any was
    evaluated. Where none is declared there is nothing to evaluate: then only the database counts.

    url: of the receiver. It stands in no log and no error.
    """
    now = clock()
    with engine.begin() as connection:
        latest = latest_evaluation(connection)
        is_idle = not list_slos(connection)
        if latest is not None:
            telemetry.heartbeat_at.set(latest.timestamp())
        if not is_idle and is_stale(latest, now):
            _log.warning("heartbeat_withheld", evaluated_at=latest and latest.isoformat())
            return "withheld"
        limit_lock_waits(connection)
        if not begin_heartbeat(connection, now=now, unless_after=now - SENT_EVERY + _ALMOST):
            return "left to another worker"
    # After the commit: what could not be written must not be told.
    if url is None:
        return "withheld"
    try:
        post(url)
    except DeliveryError as error:
        telemetry.heartbeat_failures.inc()
        _log.warning("heartbeat_failed", error=str(error))
        return "failed"
    with engine.begin() as connection:
        record_heartbeat(connection, now=clock())
    return "sent"
