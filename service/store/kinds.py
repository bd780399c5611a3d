"""What kinds of bad answers and failed calls there were: words that evaluators and apps give.

No prompt, answer or explanation is read: pages are shown without a log-in.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from service.store.measured import Measured
from service.store.tables import samples, scores

LARGEST = 20
"""An evaluator or an app that makes up a new word every time must not fill the page."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A score's label, or the type of an error; `passed` is None where it could not be scored."""

    name: str | None
    passed: bool | None


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many there were; `share` is of all that were counted, by weight, 0-1."""

    n: int
    share: float


def count_kinds(
    connection: Connection, measured: Measured, start: datetime, end: datetime
) -> dict[Kind, KindCount]:
    """The most frequent kinds of [start, end): of quality all labels, else the types of errors."""
    table = scores if measured.is_quality else samples
    query = (_labels(measured) if measured.is_quality else _error_types()).where(
        table.c.app_id == measured.app_id,
        table.c.environment == measured.indicator.environment,
        table.c.task == measured.indicator.task,
        table.c.called_at >= start,
        table.c.called_at < end,
    )
    kinds = {}
    for name, *passed, n, share in connection.execute(query):
        kind = Kind(name, passed[0] if measured.is_quality else False)
        kinds[kind] = KindCount(int(n), float(share))
    return kinds


def _labels(measured: Measured) -> Select[*tuple[Any, ...]]:
    return _counted(scores.c.label, scores.c.passed, weight=scores.c.weight).where(
        scores.c.evaluator == measured.indicator.evaluator,
        scores.c.evaluator_version == measured.evaluator_version,
    )


def _error_types() -> Select[*tuple[Any, ...]]:
    weight = 1 / samples.c.keep_probability
    return _counted(samples.c.error_type, weight=weight).where(samples.c.outcome == "error")


def _counted(*names: ColumnElement[Any], weight: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    size = func.sum(weight)
    total = func.sum(size).over()  # before the limit: of all, not of what is shown
    return (
        select(*names, func.count(), size / total)
        .group_by(*names)
        .order_by(size.desc(), *names)
        .limit(LARGEST)
    )
