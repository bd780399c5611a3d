"""Counts that are derived from others: compared with what they are made of, and made anew.

Both are meant for one transaction that sees one snapshot (REPEATABLE READ). Whoever adds to counts
stores what they are made of in the same transaction, so a snapshot has either both or neither, and
what differs in it is wrong. Where somebody changes such a row meanwhile, PostgreSQL refuses ours
(40001): a compare-and-swap, for which nobody else has to wait. All rows are of one app, and so of
one node of a cluster.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Delete,
    Double,
    Insert,
    Select,
    and_,
    cast,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    text,
    tuple_,
)

from service.store.derived_counts import (
    STREAM,
    Derived,
    Span,
    is_torn,
    of_span,
    score_sums,
    torn_minutes,
)
from service.store.tables import (
    call_totals,
    scores,
    sli_minutes,
)

_ROUNDING = 1e-9
"""Sums of the same numbers in another order differ in their last digits, no more."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How many rows were missing, were wrong, or should not have been there."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            self.added + other.added, self.changed + other.changed, self.removed + other.removed
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def first_month(connection: Connection) -> datetime | None:
    """When the oldest month begins whose counts are kept; None where there is none."""
    prefix = f"{call_totals.name}_p"
    name = connection.scalar(
        text(
            "SELECT min(relname) FROM pg_class WHERE relispartition AND relkind = 'r'"
            " AND starts_with(relname, :prefix)"
        ),
        {"prefix": prefix},
    )
    if name is None:
        return None
    return datetime.strptime(name.removeprefix(prefix), "%Y%m%d").replace(tzinfo=UTC)


def plan_for_days(connection: Connection) -> None:
    """Have this transaction join whole days in hash tables.

    Of a day that has just been filled the planner knows no size, and would look at each pair.
    """
    for way in ("enable_nestloop", "jit"):
        connection.execute(text(f"SET LOCAL {way} = off"))


def compare(connection: Connection, derived: Derived, span: Span) -> Difference:
    """What differs between what is stored and what it is made of."""
    return Difference(*connection.execute(_comparison(derived), span._asdict()).one())


def replace(connection: Connection, derived: Derived, span: Span) -> None:
    """Put what should be there in the place of what differs."""
    for statement in _replacement(derived):
        connection.execute(statement, span._asdict())


@cache  # building it takes longer than most of its executions, here and below
def _comparison(derived: Derived) -> Select[*tuple[Any, ...]]:
    fresh, stored = derived.rows()
    is_new, is_gone = stored.c.app_id.is_(None), fresh.c.app_id.is_(None)
    counts = (
        func.count().filter(is_new),
        func.count().filter(and_(not_(is_new), not_(is_gone), _differ(derived, fresh, stored))),
        func.count().filter(is_gone),
    )
    return select(*counts).select_from(_side_by_side(derived, fresh, stored))


@cache
def _replacement(derived: Derived) -> tuple[Delete, Insert]:
    table, key = derived.table, _key(derived)
    fresh, stored = derived.rows()
    both = _side_by_side(derived, fresh, stored)
    is_wrong = or_(fresh.c.app_id.is_(None), _differ(derived, fresh, stored))
    wrong = select(*(stored.c[name] for name in key)).select_from(both)
    wrong = wrong.where(stored.c.app_id.is_not(None), is_wrong)
    of_key = tuple_(*(table.c[name] for name in key))
    time = table.c.minute if "minute" in table.c else table.c.starts_at
    names = [column.name for column in table.columns]
    missing = select(*(fresh.c[name] for name in names)).select_from(both)
    return (
        table.delete().where(of_span(time), of_key.in_(wrong)),
        insert(table).from_select(names, missing.where(stored.c.app_id.is_(None))),
    )


def _key(derived: Derived) -> list[str]:
    return [column.name for column in derived.table.primary_key.columns]


def _side_by_side(derived: Derived, fresh: CTE, stored: CTE) -> Any:
    same = and_(*(fresh.c[name] == stored.c[name] for name in _key(derived)))
    return stored.join(fresh, same, full=True)


def _differ(derived: Derived, fresh: CTE, stored: CTE) -> ColumnElement[bool]:
    sums = [column for column in derived.table.columns if not column.primary_key]
    return or_(
        *(_differs(column.type, fresh.c[column.name], stored.c[column.name]) for column in sums)
    )


def _differs(kind: Any, one: Any, other: Any) -> ColumnElement[bool]:
    if not isinstance(kind, Double):
        return one.is_distinct_from(other)  # type: ignore[no-any-return]
    larger = func.greatest(func.abs(one), func.abs(other))
    return func.abs(one - other) > _ROUNDING * larger


def has_scores(connection: Connection, span: Span) -> bool:
    """Whether the scores of that time are kept at all."""
    query = select(exists().where(of_span(scores.c.called_at)))
    return bool(connection.scalar(query, span._asdict()))


class Torn(NamedTuple):
    """Minutes with scores whose samples are gone; of some the counts disagree with the scores."""

    minutes: int
    disagreeing: int


NOTHING_TORN = Torn(0, 0)


def count_torn(connection: Connection, span: Span) -> Torn:
    """Minutes of a stream that cannot be made anew: nobody knows any more of which release, model
    and prompt version each score is."""
    return Torn(*connection.execute(_torn_minutes(), span._asdict()).one())


@cache
def _torn_minutes() -> Select[*tuple[Any, ...]]:
    grouped = score_sums()
    torn = torn_minutes(grouped)
    named = ("n", "failed_n", "bad_n")

    def summed(rows: Any) -> CTE:
        sums = (cast(func.sum(rows.c[name]), BigInteger).label(name) for name in named)
        by = [rows.c[name] for name in STREAM]
        return select(*by, *sums).where(is_torn(rows, torn)).group_by(*by).cte()

    scored = summed(grouped)
    counted = summed(select(sli_minutes).where(of_span(sli_minutes.c.minute)).cte("counted"))
    same = and_(*(scored.c[name] == counted.c[name] for name in STREAM))
    differs = or_(*(scored.c[name].is_distinct_from(counted.c[name]) for name in named))
    counts = (func.count(), func.count().filter(differs))
    return select(*counts).select_from(scored.outerjoin(counted, same))
