"""The evidence of slow leaks, made anew and compared with what it was."""

from collections.abc import Mapping
from math import isclose
from typing import Any

from sqlalchemy import Connection, and_, exists, not_, select

from service.domain.leak_targets import Target
from service.store.derived_counts import Span, of_span
from service.store.rebuilding import Difference
from service.store.slo_evidence import rebuild_evidence
from service.store.tables import samples, scores, slo_evidence

_KEY = ("target_version", "evaluator_version", "hour")
_Rows = Mapping[tuple[Any, ...], tuple[Any, ...]]


def can_rebuild(connection: Connection, target: Target, span: Span) -> bool:
    """Whether the scores are there, and of an SLO on some of them the samples that say which."""
    filters = target.slo.indicator.filters
    is_narrowed = any(getattr(filters, name) is not None for name in filters.__slots__)
    scored = of_span(scores.c.called_at)
    if not connection.scalar(select(exists().where(scored)), span._asdict()):
        return False
    if not is_narrowed:
        return True
    key = ("app_id", "called_at", "sample_id")
    is_kept = exists().where(
        of_span(samples.c.called_at), *(samples.c[name] == scores.c[name] for name in key)
    )
    is_torn = select(exists().where(and_(scored, not_(is_kept))))
    return not connection.scalar(is_torn, span._asdict())


def make_anew(connection: Connection, target: Target, span: Span) -> Difference:
    """Make the evidence of these days anew; scoring of the app waits for this transaction."""
    before = _read(connection, target, span)
    rebuild_evidence(connection, span.app_id, target, start=span.start, end=span.end)
    after = _read(connection, target, span)
    return Difference(
        added=len(after.keys() - before.keys()),
        changed=sum(not _same(before[key], after[key]) for key in before.keys() & after.keys()),
        removed=len(before.keys() - after.keys()),
    )


def _read(connection: Connection, target: Target, span: Span) -> _Rows:
    sums = [column for column in slo_evidence.columns if not column.primary_key]
    key = [slo_evidence.c[name] for name in _KEY]
    query = select(*key, *sums).where(
        of_span(slo_evidence.c.hour), slo_evidence.c.slo_id == target.slo_id
    )
    rows = (tuple(row) for row in connection.execute(query, span._asdict()))
    return {row[: len(_KEY)]: _flat(row[len(_KEY) :]) for row in rows}


def _flat(values: tuple[Any, ...]) -> tuple[float, ...]:
    *sums, terms = values
    return (*sums, *terms)


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(isclose(*pair, abs_tol=1e-12) for pair in zip(one, other, strict=True))
