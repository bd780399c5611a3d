"""The worker process: the timetable, run by APScheduler until somebody says stop."""

import logging
import signal
from threading import Event

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from service.jobs.timetable import TIMETABLE, Bench, run_once
from service.waiting import wait_until_set

_log = structlog.get_logger()
# A turn that finds the one before still at work is skipped: that is meant, and no news.
logging.getLogger("apscheduler").setLevel(logging.ERROR)


def run_worker(bench: Bench, *, stop: Event | None = None) -> None:
    """Work until SIGTERM, SIGINT or `stop`; a job that has begun is finished."""
    stopping = stop or Event()
    if stop is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(len(TIMETABLE))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in TIMETABLE:
        scheduler.add_job(
            run_once,
            "interval",
            seconds=job.every.total_seconds(),
            args=(job, bench),
            id=job.name,
            next_run_time=bench.clock(),
        )
    scheduler.start()
    _log.info("worker_started", jobs=[job.name for job in TIMETABLE])
    wait_until_set(stopping)
    bench.stopping.set()
    scheduler.shutdown(wait=True)
    _log.info("worker_stopped")
