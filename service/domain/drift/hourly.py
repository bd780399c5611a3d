"""Hourly batches of a stream: what the e-detector is fed with."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from service.domain.drift.bins import BinCounts


def count_by_hour(
    rows: Iterable[tuple[datetime, float, float]], edges: Sequence[float]
) -> dict[datetime, BinCounts]:
    """Count rows of (time, value, weight) in the reference's bins, per hour of their time.

    >>> noon = datetime(2026, 11, 23, 12, 30)
    >>> counts = count_by_hour([(noon, 1.0, 1.0), (noon, 9.0, 2.0)], edges=[5.0])
    >>> [(hour.isoformat(), c.n.tolist(), c.w.tolist()) for hour, c in counts.items()]
    [('2026-11-23T12:00:00', [1, 1], [1.0, 2.0])]
    """
    columns: dict[datetime, tuple[list[float], list[float]]] = {}
    for called_at, value, weight in rows:
        hour = called_at.replace(minute=0, second=0, microsecond=0)
        values, weights = columns.setdefault(hour, ([], []))
        values.append(value)
        weights.append(weight)
    return {
        hour: BinCounts.of_rows(values, weights, edges)
        for hour, (values, weights) in columns.items()
    }
