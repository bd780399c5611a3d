"""Counts of the calls that users spoke against, and the same beside the counts of all calls."""

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    SmallInteger,
    Subquery,
    Table,
    cast,
    literal,
    null,
    select,
    union_all,
)

from service.domain.signal_counts import SignalCount
from service.store.adding import add_rows
from service.store.tables import call_counts, call_totals, signal_counts, signal_totals
from service.store.totals import add_totals

_CALLS = ("calls", "squares")
_BAD = ("n", "w", "w2")
SIGNAL_SUMS = (*_CALLS, *_BAD)
"""Of calls, then of the bad ones among them; no table has both."""


def add_signal_counts(connection: Connection, app_id: int, counts: Iterable[SignalCount]) -> None:
    """Add to the stored counts. Slices must be distinct."""
    rows = [
        {"app_id": app_id, **count.slice._asdict(), "n": count.n, "w": count.w, "w2": count.w2}
        for count in counts
    ]
    add_rows(connection, signal_counts, rows, _BAD)
    add_totals(connection, signal_totals, rows, _BAD)


def _beside(calls: Table, signalled: Table) -> Subquery:
    """The rows of both, as one table; of calls the kinds of signals are null."""
    shared = [each.name for each in signalled.primary_key.columns if each.name != "kinds"]
    nothing = cast(literal(0), BigInteger)
    zero = cast(literal(0), Double)
    of_calls = select(
        *(calls.c[name] for name in (*shared, *_CALLS, "cost_usd")),
        cast(null(), SmallInteger).label("kinds"),
        nothing.label("n"),
        zero.label("w"),
        zero.label("w2"),
    )
    of_signals = select(
        *(signalled.c[name] for name in shared),
        nothing,
        zero,
        zero,
        signalled.c.kinds,
        *(signalled.c[name] for name in _BAD),
    )
    return union_all(of_calls, of_signals).subquery(f"{calls.name}_and_signals")


CALLS_AND_SIGNALS = _beside(call_counts, signal_counts)
TOTALS_AND_SIGNALS = _beside(call_totals, signal_totals)
