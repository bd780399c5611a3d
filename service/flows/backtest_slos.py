"""Ask the stored history what a definition of an SLO would have raised; nothing is changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service.domain.backtest import BudgetPoint, Raised, ends_of_days, list_raised, trace_budget
from service.domain.corrections import excluded_minutes
from service.domain.minute_series import LONGEST_SILENCE, Parts, Stream
from service.domain.slos import Slo
from service.domain.traffic import WEEK
from service.errors import InvalidInputError, NotFoundError
from service.flows.measure_slo import measure_slos
from service.specs.declarations import Known, SloSpec
from service.specs.parse_declarations import parse_declarations
from service.store.apps import list_apps
from service.store.channels import list_channel_names
from service.store.corrections import list_corrections
from service.store.known_apps import require_app
from service.store.measured import Measured
from service.store.minute_series import read_minutes
from service.store.slos import StoredSlo, list_slos
from service.store.tasks import list_tasks

LONGEST = timedelta(days=366)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


class NothingToReplayError(NotFoundError):
    """The files declare no such SLO."""


class ImpossibleRangeError(InvalidInputError):
    """This stretch of time cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Range:
    """From when to when, in whole minutes."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, start: datetime, end: datetime, *, now: datetime) -> "Range":
        """The whole minutes in it, as far as they are over.

        Raises:
            ImpossibleRangeError: There is none, or it is longer than a year.
        """
        begin, over = (
            each.astimezone(UTC).replace(second=0, microsecond=0) for each in (start, min(end, now))
        )
        if not begin < over:
            raise ImpossibleRangeError("the stretch begins before it ends, and before now")
        if over - begin > LONGEST:
            raise ImpossibleRangeError(f"at most {LONGEST.days} days are replayed at once")
        return cls(begin, over)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a definition would have raised, and its budget at the end of each day.

    counted_since: the first minute of what is stored of it; None: nothing is.
    """

    slo: Slo
    raised: tuple[Raised, ...]
    budget: tuple[BudgetPoint, ...]
    counted_since: datetime | None


@dataclass(frozen=True, slots=True)
class Backtest:
    """A declared SLO beside the one of that name that is in force; None: there is none."""

    display_name: str
    declared: Replayed
    in_force: Replayed | None

    @property
    def is_unchanged(self) -> bool:
        """Whether what is declared is in force already."""
        return self.in_force is not None and self.in_force.slo == self.declared.slo


def backtest_slos(
    engine: Engine,
    registry: Registry,
    files: Iterable[tuple[str, str]],
    environment: Mapping[str, str],
    over: Range,
    *,
    app: str | None = None,
    name: str | None = None,
) -> list[Backtest]:
    """Each SLO that the files declare, of this app and name.

    Scores are those of the evaluator versions in force; corrections count as they stand now.

    Raises:
        InvalidDeclarationError: with every fault of the files.
        NothingToReplayError, UnknownAppError: There is nothing to replay.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        in_force = list_slos(connection)
        declared = parse_declarations(files, environment, _read_known(connection, in_force))
        chosen = [
            spec
            for spec in declared.slos
            if app in (None, spec.slo.app) and name in (None, spec.slo.name)
        ]
        if not chosen:
            raise NothingToReplayError(_missing(declared.slos))
        return [
            _backtest(connection, registry, spec, declared.slos, in_force, over) for spec in chosen
        ]


def _missing(specs: Sequence[SloSpec]) -> str:
    names = ", ".join(f"{spec.slo.app}/{spec.slo.name}" for spec in specs)
    return f"The files declare no such SLO. They declare: {names or 'none'}"


def _read_known(connection: Connection, in_force: Sequence[StoredSlo]) -> Known:
    apps = {app.id: app.name for app in list_apps(connection)}
    return Known(
        apps=frozenset(apps.values()),
        channels=frozenset(list_channel_names(connection)),
        evaluators={
            (apps[task.app_id], task.name): frozenset(choice.name for choice in task.evaluators)
            for task in list_tasks(connection)
        },
        slos={(each.slo.app, each.slo.name): each.slo for each in in_force},
    )


def _backtest(
    connection: Connection,
    registry: Registry,
    spec: SloSpec,
    declared: Sequence[SloSpec],
    in_force: Sequence[StoredSlo],
    over: Range,
) -> Backtest:
    app = require_app(connection, spec.slo.app)
    of_app = [each for each in in_force if each.slo.app == app.name]
    beside = [each for each in declared if each.slo.app == app.name]
    names = {each.slo.name for each in beside}
    # As if it had been applied: what the files declare, and what they leave alone.
    as_applied = [each for each in of_app if each.slo.name not in names]
    as_applied += [
        StoredSlo(-number, app.id, each.display_name, each.slo)
        for number, each in enumerate(beside, start=1)
    ]
    replayed = _replay(connection, registry, spec.slo.name, as_applied, over)
    assert replayed is not None  # noqa: S101 - it is among those that are declared
    before = _replay(connection, registry, spec.slo.name, of_app, over)
    return Backtest(spec.display_name, replayed, before)


def _replay(
    connection: Connection, registry: Registry, name: str, slos: Sequence[StoredSlo], over: Range
) -> Replayed | None:
    found = [each for each in slos if each.slo.name == name]
    if not found:
        return None
    (stored,) = found
    measured = measure_slos(connection, registry, slos)[stored.id]
    parts = _read_parts(connection, stored.slo, measured, over)
    began = [part.first_at for part, _ in parts if part.first_at is not None]
    return Replayed(
        stored.slo,
        tuple(list_raised(stored.slo, parts, over.start, over.end)),
        tuple(trace_budget(stored.slo, parts, ends_of_days(over.start, over.end))),
        min(began, default=None),
    )


def _read_parts(connection: Connection, slo: Slo, measured: Measured, over: Range) -> Parts:
    start, end = _midnight(_reads_from(slo, over)), _midnight(over.end) + _DAY
    corrections = list_corrections(connection, since=start)
    excluded = excluded_minutes(corrections, slo, start, end)
    return [
        (
            Stream(
                read_minutes(connection, part, start, end),
                part.indicator,
                part.budgeting,
                excluded,
            ),
            weight,
        )
        for part, weight in measured.parts or ((measured, 1.0),)
    ]


def _reads_from(slo: Slo, over: Range) -> datetime:
    """The first judgement looks back on its windows and, for silence, on the traffic before."""
    longest = max(slo.window_lengths)
    first = over.start - longest
    return min(
        first - WEEK - longest - _DAY,
        first - LONGEST_SILENCE - _DAY,
        slo.budget_starts_at(over.start),
    )


def _midnight(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
