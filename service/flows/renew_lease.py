"""Hold a scoring job for as long as its worker lives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread

import structlog
from sqlalchemy import Engine

from service import telemetry
from service.store import scoring_jobs
from service.store.scoring_jobs import ScoringJob

RENEWALS = 120
"""At most, an hour at the usual lease: an evaluator that hangs must lose its job some day."""
_log = structlog.get_logger()


@contextmanager
def renewed_lease(
    engine: Engine, job: ScoringJob, *, clock: Callable[[], datetime], lease: timedelta
) -> Iterator[None]:
    """Renew the job's lease in the background, at its half, until the block ends.

    Without it two workers would take a job that is longer than a lease from each other for ever.
    """
    done = Event()
    thread = Thread(
        target=_renew, args=(engine, job, clock, lease, done), name="renew_lease", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _renew(
    engine: Engine,
    job: ScoringJob,
    clock: Callable[[], datetime],
    lease: timedelta,
    done: Event,
) -> None:
    for _ in range(RENEWALS):
        if done.wait(lease.total_seconds() / 2):
            return
        try:
            with engine.begin() as connection:
                if not scoring_jobs.renew(connection, job, until=clock() + lease):
                    return
        except Exception as error:
            # The next one may succeed; if none does, the job is another worker's, and ours undone.
            _log.warning("lease_not_renewed", job=job.id, **telemetry.described(error))
