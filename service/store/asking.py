"""Many indicators at once in one statement: what each counts, as rows to join the counts with."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    SmallInteger,
    Table,
    Text,
    bindparam,
    column,
    func,
    or_,
    select,
    text,
)

from service.domain.signal_counts import mask_of
from service.store.measured import Measured, Source
from service.store.tables import (
    call_counts,
    call_totals,
    signal_counts,
    signal_totals,
    sli_minutes,
    sli_totals,
)

TABLES: dict[Source, tuple[Table, ...]] = {
    "scores": (sli_minutes, sli_totals),
    "calls": (call_counts, call_totals),
    "latency": (call_counts, call_totals),
    "signals": (call_counts, call_totals, signal_counts, signal_totals),
}
"""Where it is counted by minute, and by hour and day; of signals the calls, then the bad ones."""
_FILTERS = ("release", "model", "prompt_version")


def plan_for_many(connection: Connection) -> None:
    """Have this transaction read by index and add up in a hash table.

    The planner cannot know how many rows an array makes; where it guesses few it would sort all
    that is read, or read a table for each of them.
    """
    for way in ("hashjoin", "mergejoin", "seqscan", "bitmapscan", "material", "sort"):
        connection.execute(text(f"SET LOCAL enable_{way} = off"))
    connection.execute(text("SET LOCAL jit = off"))
    connection.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))


def asking(source: Source, measured: Mapping[int, Measured]) -> dict[str, Any]:
    """The parameters of `asked_cte`; its rows are numbered as these are."""
    of = list(measured.values())
    parameters: dict[str, Any] = {
        "numbers": list(measured),
        "app_ids": [each.app_id for each in of],
        "environments": [each.indicator.environment for each in of],
        "tasks": [each.indicator.task for each in of],
        "buckets": [each.bucket for each in of],
    }
    for name in _FILTERS:
        parameters[f"{name}s"] = [getattr(each.indicator.filters, name) for each in of]
    if source == "scores":
        parameters["evaluators"] = [each.indicator.evaluator for each in of]
        parameters["versions"] = [each.evaluator_version for each in of]
    if source == "signals":
        parameters["kinds_asked"] = [mask_of(each.indicator.signals) for each in of]
    return parameters


def asked_cte(source: Source, **more: tuple[str, Any]) -> CTE:
    """One row for each that is asked, with these columns more (see `unnested`)."""
    columns: dict[str, tuple[str, Any]] = {
        "number": ("numbers", Integer),
        "app_id": ("app_ids", BigInteger),
        "environment": ("environments", Text),
        "task": ("tasks", Text),
        "bucket": ("buckets", Integer),
    } | {name: (f"{name}s", Text) for name in _FILTERS}
    if source == "scores":
        columns |= {"evaluator": ("evaluators", Text), "evaluator_version": ("versions", Text)}
    if source == "signals":
        columns["kinds"] = ("kinds_asked", SmallInteger)
    return unnested("asked", **columns, **more)


def unnested(name: str, **columns: tuple[str, Any]) -> CTE:
    """Arrays side by side as rows. By column: the parameter that holds its array, and its type."""
    arrays = (bindparam(bound, type_=ARRAY(kind)) for bound, kind in columns.values())
    rows = func.unnest(*arrays).table_valued(
        *(column(name, kind) for name, (_, kind) in columns.items())
    )
    return select(rows.render_derived()).cte(name)


def matches(source: Source, table: Table, asked: CTE) -> list[ColumnElement[bool]]:
    """The rows that are counted for one that asks."""
    named = ["app_id", "environment", "task"]
    if source == "scores":
        named += ["evaluator", "evaluator_version"]
    same = [table.c[name] == asked.c[name] for name in named]
    if "kinds" in table.c:
        same.append(table.c.kinds.bitwise_and(asked.c.kinds) != 0)
    return same + [
        or_(asked.c[name].is_(None), table.c[name] == asked.c[name]) for name in _FILTERS
    ]
