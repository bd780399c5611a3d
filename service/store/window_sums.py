"""What many SLOs count over many stretches of time, in two statements for all of them.

A stretch is read as days and hours where it has whole ones, and minutes at its ends: a month costs
some dozens of rows, exact to the minute.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Integer, Select, SmallInteger, Table, and_, func, select

from service.domain.pieces import Stretch, cut_into_pieces, subtract
from service.domain.slis import Tally
from service.store.asking import TABLES, asked_cte, asking, matches, unnested
from service.store.measured import Measured, Source, sums_of
from service.store.tables.base import Instant


@dataclass(frozen=True, slots=True)
class Asked:
    """What is counted between each two of these instants, which ascend."""

    measured: Measured
    edges: tuple[datetime, ...]

    @property
    def plan(self) -> "_Plan":
        """From when to when it reads."""
        return self.edges, self.measured.excluded


@dataclass(frozen=True, slots=True)
class Counted:
    """What a stretch holds; `failed_n`: samples that their evaluator failed on."""

    tally: Tally = Tally.ZERO
    failed_n: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.tally + other.tally, self.failed_n + other.failed_n)


_Plan = tuple[tuple[datetime, ...], tuple[Stretch, ...]]


def count_between(connection: Connection, asked: Sequence[Asked]) -> list[list[Counted]]:
    """For each that is asked, what lies between its edges."""
    counted = [[Counted()] * (len(each.edges) - 1) for each in asked]
    for source in TABLES:
        of_source = {n: each for n, each in enumerate(asked) if each.measured.source == source}
        for (number, segment), sums in _read(connection, source, of_source).items():
            counted[number][segment] = _of(asked[number].measured, sums)
    return counted


def _of(measured: Measured, sums: Sequence[Any]) -> Counted:
    if not measured.is_quality:
        return Counted(measured.tally(sums))
    failed_n, *rest = sums
    return Counted(measured.tally(rest), int(failed_n))


def _read(
    connection: Connection, source: Source, asked: Mapping[int, Asked]
) -> dict[tuple[int, int], Sequence[Any]]:
    """The sums of each segment that holds anything, by whose it is and its number."""
    if not asked:
        return {}
    plans: dict[_Plan, int] = {}
    for each in asked.values():
        plans.setdefault(each.plan, len(plans))
    parameters = asking(source, {number: each.measured for number, each in asked.items()})
    parameters["plans_asked"] = [plans[each.plan] for each in asked.values()]
    parameters |= _pieces_of(plans)
    summed: dict[tuple[int, int], Sequence[Any]] = {}
    for table in TABLES[source]:
        for number, segment, *sums in connection.execute(_statement(source, table), parameters):
            before = summed.get((number, segment))
            if before is not None:
                sums = [one + other for one, other in zip(before, sums, strict=True)]
            summed[number, segment] = sums
    return summed


def _pieces_of(plans: Iterable[_Plan]) -> dict[str, Any]:
    rows = [
        (plan, segment, piece.span, piece.start, piece.end)
        for plan, (edges, excluded) in enumerate(plans)
        for segment, (start, end) in enumerate(pairwise(edges))
        for left in subtract(start, end, excluded)
        for piece in cut_into_pieces(*left)
    ]
    names = ("plans", "segments", "spans", "starts", "ends")
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return dict(zip(names, map(list, columns), strict=True))


def _statement(source: Source, table: Table) -> Select[*tuple[Any, ...]]:
    is_minutes = "minute" in table.c
    asked = asked_cte(source, plan=("plans_asked", Integer))
    pieces = unnested(
        "pieces",
        plan=("plans", Integer),
        segment=("segments", Integer),
        span=("spans", SmallInteger),
        start=("starts", Instant),
        end=("ends", Instant),
    )
    # As one relation: of two, the planner would not use both for the index of the counts.
    reads = (
        select(asked, *(each for each in pieces.c if each.name != "plan"))
        .join(pieces, pieces.c.plan == asked.c.plan)
        .cte("reads")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    at = table.c.minute if is_minutes else table.c.starts_at
    span = reads.c.span == 0 if is_minutes else table.c.span == reads.c.span
    counted = sums_of(source, table, reads.c.bucket)
    if source == "scores":
        counted.insert(0, func.sum(table.c.failed_n))
    within = (span, at >= reads.c.start, at < reads.c.end)
    return (
        select(reads.c.number, reads.c.segment, *(func.coalesce(each, 0) for each in counted))
        .select_from(reads)
        .join(table, and_(*within, *matches(source, table, reads)))
        .group_by(reads.c.number, reads.c.segment)
    )
