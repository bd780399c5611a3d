"""Find the calls of reported scores that came before them."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine

from service.domain.scores import ReportedScore
from service.store.awaited_scores import end_waiting, give_up_waiting, list_awaiting
from service.store.reported_scores import find_calls, store_scores

AWAITED_FOR = timedelta(hours=1)
"""Exporters send what they have within seconds, or minutes where they had to try again. What comes
later than that is most often the evaluation of a call that was not kept."""
_AT_ONCE = 5_000
_log = structlog.get_logger()


def match_reported_scores(engine: Engine, *, now: datetime) -> int:
    """Store the scores whose calls have come; returns how many."""
    with engine.connect() as connection:
        awaiting = list_awaiting(connection, since=now - AWAITED_FOR, at_most=_AT_ONCE)
    matched = sum(_match(engine, app_id, scores, now) for app_id, scores in awaiting.items())
    with engine.begin() as connection:
        given_up = give_up_waiting(connection, before=now - AWAITED_FOR)
    if given_up:
        _log.warning("reported_scores_without_call", scores=given_up)
    return matched


def _match(engine: Engine, app_id: int, awaiting: list[ReportedScore], now: datetime) -> int:
    with engine.begin() as connection:
        calls = find_calls(connection, app_id, {score.sample_id for score in awaiting})
        found = [score for score in awaiting if score.sample_id in calls]
        if not found:
            return 0
        # First, so that a user whose samples are removed meanwhile takes the scores along.
        taken = end_waiting(connection, app_id, found)
        store_scores(connection, app_id, taken, calls, now=now)
    return len(taken)
