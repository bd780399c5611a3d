"""The reference of a stream: the one in force, or a new one as soon as its window is whole.

A reference never changes, so it is built only once nothing of its window is on the way any more:
no call of before its end waits to be scored, and the stream has got past its end by `LATE_BY`, in
the time of the calls. A log replayed in the order of time thereby gets a whole reference, whenever
somebody looks. Scores that come even later for a time before the end are left out of reference and
counts; `score_samples` logs how many.
"""

from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine

from service.domain.drift.hourly import count_by_hour
from service.domain.drift.reference import MINIMUM_ROWS, InsufficientReference, build_reference
from service.domain.drift.reference_window import ReferenceWindow, plan_window, warming_up
from service.domain.scores import Stream
from service.store import drift, scoring_jobs
from service.store.drift import StoredReference
from service.store.scores import read_call_times, read_values

_log = structlog.get_logger()


def settle_reference(
    engine: Engine, stream: Stream, *, minimum_days: int, is_held_back: bool, now: datetime
) -> StoredReference | InsufficientReference:
    """The reference, or how far the stream has come and what it waits for.

    `is_held_back`: an alarm of another version of the evaluator has not been cleared. Its incident
    may be about the very days that a new reference would declare to be normal, and only a person
    re-baselines: by resolving that incident.
    """
    with engine.connect() as connection:
        stored = drift.find_reference(connection, stream)
        if stored is not None:
            return stored
        found = _find_window(connection, stream, minimum_days, is_held_back, now)
    if isinstance(found, InsufficientReference):
        return found
    with engine.begin() as connection:
        # Nothing is scored while this is held; what was scored since the look above counts, too.
        drift.lock_stream(connection, stream, shared=False)
        found = _find_window(connection, stream, minimum_days, is_held_back, now)
        if isinstance(found, InsufficientReference):
            return found
        return _build(connection, stream, found, now)


def _find_window(
    connection: Connection, stream: Stream, minimum_days: int, is_held_back: bool, now: datetime
) -> ReferenceWindow | InsufficientReference:
    first = read_call_times(connection, stream, at_most=MINIMUM_ROWS)
    window = plan_window(first, minimum_days=minimum_days)
    waits_for = (
        "an incident on an earlier version is open: resolve it to start a new reference"
        if is_held_back
        else _missing_of(connection, stream, window, now)
    )
    if window is None or now < window.end or waits_for:
        return warming_up(first, window, now=now, minimum_days=minimum_days, waits_for=waits_for)
    return window


def _missing_of(
    connection: Connection, stream: Stream, window: ReferenceWindow | None, now: datetime
) -> str:
    """What is missing of a window that has enough rows and days."""
    if window is None or now < window.end:
        return ""
    where = (stream.app_id, stream.environment, stream.task)
    if scoring_jobs.is_any_waiting(connection, *where, before=window.end):
        return "calls of these days are still to be scored"
    if not read_call_times(connection, stream, at_most=1, since=window.is_seen_whole_at):
        return f"no call since {window.is_seen_whole_at:%Y-%m-%d %H:%M} UTC is scored yet"
    return ""


def _build(
    connection: Connection, stream: Stream, window: ReferenceWindow, now: datetime
) -> StoredReference | InsufficientReference:
    """The stream's reference; and its scores after it, that nobody has counted, counted."""
    rows = read_values(connection, stream, start=window.start, end=window.end)
    reference = build_reference([row[1] for row in rows], [row[2] for row in rows])
    if isinstance(reference, InsufficientReference):
        return reference
    stored = drift.add_reference(
        connection, stream, reference, starts_at=window.start, ends_at=window.end, now=now
    )
    later = read_values(connection, stream, start=window.end)
    drift.add_counts(connection, stored, count_by_hour(later, reference.edges))
    _log.info("drift_reference_built", stream=stream, rows=reference.rows)
    return stored
