"""SDK instances: the newest ledger that each has told, and our own count of what arrived of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Numeric,
    Text,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert

from service.domain.accounts import REJECTED, Account
from service.domain.instances import Ledger, SdkInstance
from service.store.tables import sdk_instances

KEPT = timedelta(days=30)
"""How long after it was last heard of an instance is remembered."""

_BELIEVED_AT_MOST = 10**15
"""Calls of one instance; adding to it never leaves 64 bits."""

_LEDGER = tuple(each.name for each in fields(Ledger))
_TOLD = (
    *("environment", "release", "sdk", "started_at", "sequence"),
    *_LEDGER,
    "seen_at",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """An instance as one batch told of itself, and what became of this batch's samples.

    Both numbers are 0 for a batch that had been taken in before.
    """

    app_id: int
    instance: SdkInstance
    stored: int
    rejected: int


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance as it was last heard of."""

    instance: SdkInstance
    account: Account
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """The accounts of several instances as one."""

    instances: int
    account: Account


def put_instances(connection: Connection, heard: Iterable[Heard], *, now: datetime) -> None:
    """Add what arrived to each instance's account; only a newer ledger replaces the one we have.

    Call it once in a transaction: it locks the instances' rows, in one order for all writers.
    """
    together: dict[tuple[int, UUID], Heard] = {}
    for each in heard:
        key = each.app_id, each.instance.instance_id
        together[key] = _merged(together[key], each) if key in together else each
    if together:
        rows = [_row(each, now) for _, each in sorted(together.items())]
        connection.execute(_PUT, rows)


def _merged(one: Heard, other: Heard) -> Heard:
    newest = max(one.instance, other.instance, key=lambda instance: instance.sequence)
    return Heard(one.app_id, newest, one.stored + other.stored, one.rejected + other.rejected)


def _row(heard: Heard, now: datetime) -> dict[str, Any]:
    instance, ledger = heard.instance, heard.instance.ledger
    # Of an instance that was forgotten meanwhile we believe what it was told before.
    arrived, refused = (
        min(number, _BELIEVED_AT_MOST)
        for number in (ledger.stored, ledger.dropped.get(REJECTED, 0))
    )
    told = {name: getattr(instance, name) for name in _TOLD if hasattr(instance, name)}
    return {
        "app_id": heard.app_id,
        "instance_id": instance.instance_id,
        **told,
        **{name: getattr(ledger, name) for name in _LEDGER},
        "seen_at": now,
        "arrived": arrived + heard.stored,
        "refused": refused + heard.rejected,
        "newly_arrived": heard.stored,
        "newly_refused": heard.rejected,
    }


_INSERT = insert(sdk_instances)
_IS_NEWER = _INSERT.excluded.sequence > sdk_instances.c.sequence
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["app_id", "instance_id"],
    set_={
        name: case((_IS_NEWER, _INSERT.excluded[name]), else_=sdk_instances.c[name])
        for name in _TOLD
    }
    | {
        "arrived": sdk_instances.c.arrived + bindparam("newly_arrived", type_=BigInteger),
        "refused": sdk_instances.c.refused + bindparam("newly_refused", type_=BigInteger),
    },
)


def list_instances(
    connection: Connection, app_id: int, *, since: datetime, silent_before: datetime, limit: int
) -> list[StoredInstance]:
    """The app's instances that were heard of since then: those in trouble first, then the newest.

    In trouble: it was last heard of before `silent_before` with samples that have not arrived, or
    its account does not add up.
    """
    c = sdk_instances.c
    produced, sampled_out = cast(c.produced, Numeric), cast(c.sampled_out, Numeric)
    dropped = _sum_of(c.dropped)
    lost = dropped - func.coalesce(cast(c.dropped[REJECTED].astext, Numeric), 0)
    queued = produced - sampled_out - c.arrived - c.refused - lost
    is_in_trouble = or_(
        queued + lost < 0,
        (queued > 0) & (c.seen_at <= silent_before),
        c.stored > c.arrived,
        produced != sampled_out + c.stored + c.queued + dropped,
    )
    query = (
        select(sdk_instances)
        .where(c.app_id == app_id, c.seen_at >= since)
        .order_by(is_in_trouble.desc(), c.seen_at.desc(), c.instance_id)
        .limit(limit)
    )
    return [_read(row) for row in connection.execute(query)]


def sum_instances(connection: Connection, app_id: int, *, since: datetime) -> Totals:
    """All instances of the app that were heard of since then."""
    heard = (sdk_instances.c.app_id == app_id, sdk_instances.c.seen_at >= since)
    numbers = ("produced", "stored", "sampled_out", "queued", "counted", "arrived", "refused")
    sums = (func.coalesce(func.sum(sdk_instances.c[name]), 0) for name in numbers)
    instances, *summed = connection.execute(select(func.count(), *sums).where(*heard)).one()
    of: dict[str, Any] = dict(zip(numbers, map(int, summed), strict=True))
    arrived, refused = of.pop("arrived"), of.pop("refused")
    of |= {name: _by_reason(connection, name, heard) for name in ("dropped", "uncounted")}
    return Totals(instances, Account(Ledger(**of), arrived, refused))


def forget_instances(connection: Connection, *, now: datetime) -> int:
    """Drop what nobody has heard of for long; returns how many instances that were."""
    gone = sdk_instances.delete().where(sdk_instances.c.seen_at < now - KEPT)
    return connection.execute(gone).rowcount


def _read(row: Any) -> StoredInstance:
    ledger = Ledger(**{name: getattr(row, name) for name in _LEDGER})
    told = {name: getattr(row, name) for name in _TOLD[:5]}
    instance = SdkInstance(instance_id=row.instance_id, ledger=ledger, **told)
    return StoredInstance(instance, Account(ledger, row.arrived, row.refused), row.seen_at)


def _sum_of(column: Column[Any]) -> ColumnElement[Decimal]:
    """The sum of a JSON object's values."""
    each = _entries(column)
    total = select(func.coalesce(func.sum(cast(each.c.value, Numeric)), 0)).select_from(each)
    return cast(total.scalar_subquery(), Numeric)


def _by_reason(
    connection: Connection, name: str, heard: Sequence[ColumnElement[bool]]
) -> dict[str, int]:
    each = _entries(sdk_instances.c[name])
    query = (
        select(each.c.key, func.sum(cast(each.c.value, Numeric)))
        .select_from(sdk_instances.join(each, onclause=true()))
        .where(*heard)
        .group_by(each.c.key)
        .order_by(each.c.key)
    )
    return {reason: int(number) for reason, number in connection.execute(query)}


def _entries(column: Column[Any]) -> Any:
    of = func.jsonb_each_text(column).table_valued(Column("key", Text), Column("value", Text))
    return of.lateral()
