"""Forget one user of an app: what they asked, what they were answered, and what they did."""

from dataclasses import asdict
from datetime import datetime

import structlog
from sqlalchemy import Engine

from service.domain.calls import CLOCK_SKEW_ALLOWANCE
from service.domain.erasure import Forgotten, require_user_id
from service.store import erasure
from service.store.apps import App

_log = structlog.get_logger()


def forget_user(engine: Engine, app: App, user_id: str, *, now: datetime) -> Forgotten:
    """Remove the user's samples, sessions and signals, and what scores say of them in words.

    Counts and the numbers of scores stay: they name nobody. Nor is the user's id remembered, so
    what comes in from then on is stored like anything else; who wants that gone asks again. The
    same goes for whatever came in while this ran.

    Raises:
        UnusableUserIdError: No user can have this id.
    """
    require_user_id(user_id)
    before = now + CLOCK_SKEW_ALLOWANCE
    # Sessions move from the open ones to the others meanwhile, and signals are derived from them:
    # each is looked at after what it may come from.
    with engine.begin() as connection:
        forgotten = erasure.erase_open_sessions(connection, app.id, user_id)
    for erase_some in (erasure.erase_sessions, erasure.erase_samples, erasure.erase_signals):
        after: datetime | None = None
        while True:
            with engine.begin() as connection:
                step = erase_some(connection, app.id, user_id, after=after, before=before)
            if step is None:
                break
            forgotten, after = forgotten + step.forgotten, step.until
    _log.info("user_forgotten", app=app.name, **asdict(forgotten))
    return forgotten
