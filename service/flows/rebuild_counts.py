"""Make what is derived anew: counts of scores by minute, totals by hour and day, evidence of leaks.

An app and a day at a time, each in a transaction of its own, so that it may end at any point and go
on from there. Ingestion and scoring run beside it: see `store/rebuilding.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from service.domain.leak_targets import Target, is_target
from service.domain.slow_leaks import LeakPolicy
from service.errors import UnavailableError
from service.store.apps import App, list_apps
from service.store.database_errors import UNIQUE_VIOLATION, is_contention, sqlstate_of
from service.store.derived_counts import CALL_TOTALS, SLI_MINUTES, SLI_TOTALS, Derived, Span
from service.store.known_apps import require_app
from service.store.locks import limit_lock_waits
from service.store.rebuilding import (
    NOTHING_TORN,
    Difference,
    Torn,
    compare,
    count_torn,
    first_month,
    has_scores,
    plan_for_days,
    replace,
)
from service.store.rebuilt_evidence import can_rebuild, make_anew
from service.store.slos import list_slos

ATTEMPTS = 5
EVIDENCE = "slo_evidence"
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_READ_LEAKS = LeakPolicy(false_alarms=1.0)
"""How far back evidence is read does not depend on the false alarms that are accepted."""


class RebuildBusyError(UnavailableError):
    """Others keep writing the same rows; what was done before this day stays done."""


@dataclass(frozen=True, slots=True)
class RebuiltDay:
    """What differed of an app and a day, by table.

    torn: see `count_torn`; those minutes are left as they are.
    """

    app: str
    day: datetime
    differences: Mapping[str, Difference] = field(default_factory=dict)
    torn: Torn = NOTHING_TORN

    @property
    def differs(self) -> bool:
        """Whether anything was not what it is made of."""
        return any(self.differences.values())


def rebuild_counts(
    engine: Engine,
    *,
    now: datetime,
    app: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    dry_run: bool = False,
) -> Iterator[RebuiltDay]:
    """Every day that [start, end) touches and whose counts are kept, the oldest first.

    Raises:
        UnknownAppError: There is no such app.
        RebuildBusyError: A day was written to in each of the attempts.
    """
    with engine.connect() as connection:
        apps = list_apps(connection) if app is None else [require_app(connection, app)]
        kept_from = first_month(connection)
    if kept_from is None:
        return
    day = max(kept_from, _midnight(start or kept_from))
    # Clocks of apps run ahead a little.
    last = min(end or now + _HOUR, now + _HOUR)
    while day < last:
        for each in apps:
            yield _rebuild(engine, each, day, now, dry_run)
        day += _DAY


def _midnight(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _rebuild(engine: Engine, app: App, day: datetime, now: datetime, dry_run: bool) -> RebuiltDay:
    span = Span(app.id, day, day + _DAY)
    differences: dict[str, Difference] = {}

    def rebuild_all(connection: Connection) -> Torn:
        differences.clear()
        plan_for_days(connection)
        derived: Sequence[Derived] = (SLI_TOTALS, CALL_TOTALS)
        torn = NOTHING_TORN
        # Scores are dropped by the day, sooner than their counts: without any, nothing is known.
        if has_scores(connection, span):
            derived, torn = (SLI_MINUTES, *derived), count_torn(connection, span)
        for each in derived:
            found = differences[each.table.name] = compare(connection, each, span)
            if found:
                replace(connection, each, span)
        return torn

    torn = _attempt(engine, rebuild_all, dry_run, f"{app.name}, {day:%Y-%m-%d}")
    evidence = _rebuild_evidence(engine, app, span, now, dry_run)
    return RebuiltDay(app.name, day, {**differences, EVIDENCE: evidence}, torn)


def _attempt(engine: Engine, work: Callable[[Connection], Torn], dry_run: bool, what: str) -> Torn:
    for _ in range(ATTEMPTS):
        try:
            with (
                engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
                connection.begin() as transaction,
            ):
                limit_lock_waits(connection)
                result = work(connection)
                if dry_run:
                    transaction.rollback()
                return result
        except DBAPIError as error:
            # Somebody wrote a row that we found wrong: what is right has to be found out again.
            if not is_contention(error) and sqlstate_of(error) != UNIQUE_VIOLATION:
                raise
    raise RebuildBusyError(f"{what}: others keep writing the same counts. Try again later")


def _rebuild_evidence(
    engine: Engine, app: App, span: Span, now: datetime, dry_run: bool
) -> Difference:
    """Of the hours that are read; what lies before them was never made of all scores."""
    read_from = now - timedelta(hours=_READ_LEAKS.looks_back + _READ_LEAKS.weights_from)
    if span.start < read_from:
        return Difference()
    with engine.connect() as connection:
        plan_for_days(connection)
        declared = list_slos(connection, app=app.name)
        targets = [Target(each.id, each.slo) for each in declared if is_target(each.slo)]
        targets = [each for each in targets if can_rebuild(connection, each, span)]
    found = Difference()
    for target in targets:
        with engine.connect() as connection, connection.begin() as transaction:
            limit_lock_waits(connection)
            plan_for_days(connection)
            found += make_anew(connection, target, span)
            if dry_run:
                transaction.rollback()
    return found
