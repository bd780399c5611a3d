"""What a worker does, and how often: every trigger of the service in one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

import structlog
from sqlalchemy import Engine

from evaluators.registry import Registry
from service import telemetry
from service.flows.close_sessions import close_sessions
from service.flows.deliver_notifications import deliver_notifications
from service.flows.detect_drift import detect_drift
from service.flows.evaluate_slos import evaluate_slos
from service.flows.match_reported_scores import match_reported_scores
from service.flows.match_signals import match_signals
from service.flows.score_samples import score_samples
from service.flows.send_heartbeat import SENT_EVERY, send_heartbeat
from service.flows.show_slos import show_slos
from service.flows.trim_storage import trim_storage
from service.flows.watch_blindness import watch_blindness
from service.flows.watch_budgets import watch_budgets
from service.flows.watch_slow_leaks import watch_slow_leaks
from service.notify.contract import Sender
from service.notify.heartbeat import post_heartbeat
from service.settings import Settings
from service.slo_metrics import slo_gauges
from service.store import locks, scoring_jobs

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bench:
    """What the jobs of one worker work with."""

    engine: Engine
    registry: Registry
    senders: Mapping[str, Sender]
    settings: Settings
    clock: Callable[[], datetime]
    stopping: Event = field(default_factory=Event)
    """Set when the worker is asked to stop; long jobs look at it between two steps."""


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the timetable.

    exclusive: Only one worker at a time, by an advisory lock. The others claim their work row by
        row and may run anywhere at once.
    """

    name: str
    every: timedelta
    exclusive: bool
    run: Callable[[Bench], None]


def _score(bench: Bench) -> None:
    while not bench.stopping.is_set() and score_samples(
        bench.engine, bench.registry, clock=bench.clock, lease=bench.settings.scoring_lease
    ):
        pass


def _measure(bench: Bench) -> None:
    with bench.engine.connect() as connection:
        backlog = scoring_jobs.read_backlog(connection)
    since = backlog.waiting_since
    waited = timedelta() if since is None else bench.clock() - since
    telemetry.scoring_backlog.set(backlog.waiting_samples)
    telemetry.scoring_wait.set(max(waited.total_seconds(), 0.0))
    telemetry.scoring_set_aside.set(backlog.set_aside_samples)


def _evaluate(bench: Bench) -> None:
    evaluate_slos(bench.engine, bench.registry, now=bench.clock())


def _watch(bench: Bench) -> None:
    watch_budgets(bench.engine, now=bench.clock())
    watch_blindness(bench.engine, patience=bench.settings.blindness_patience, now=bench.clock())


def _show(bench: Bench) -> None:
    show_slos(bench.engine, slo_gauges, now=bench.clock())


def _beat(bench: Bench) -> None:
    secret = bench.settings.heartbeat_url
    url = None if secret is None else secret.get_secret_value()
    send_heartbeat(bench.engine, post_heartbeat, url=url, clock=bench.clock)


def _detect(bench: Bench) -> None:
    detect_drift(bench.engine, bench.registry, bench.settings, now=bench.clock())


def _watch_leaks(bench: Bench) -> None:
    watch_slow_leaks(bench.engine, bench.registry, bench.settings, now=bench.clock())


def _deliver(bench: Bench) -> None:
    deliver_notifications(
        bench.engine,
        bench.senders,
        clock=bench.clock,
        public_url=bench.settings.public_url,
        is_stopping=bench.stopping.is_set,
    )


def _match(bench: Bench) -> None:
    match_signals(bench.engine, now=bench.clock(), is_stopping=bench.stopping.is_set)


def _match_scores(bench: Bench) -> None:
    match_reported_scores(bench.engine, now=bench.clock())


def _close(bench: Bench) -> None:
    close_sessions(
        bench.engine,
        idle=bench.settings.session_idle,
        now=bench.clock(),
        is_stopping=bench.stopping.is_set,
    )


def _trim(bench: Bench) -> None:
    trim_storage(bench.engine, bench.settings, now=bench.clock(), is_stopping=bench.stopping.is_set)


TIMETABLE: tuple[Job, ...] = (
    Job("score_samples", timedelta(seconds=1), exclusive=False, run=_score),
    # Beside scoring, not at its end: there is no end while there is a backlog. Every worker
    # measures, so that each one's metrics are true.
    Job("measure_backlog", timedelta(seconds=15), exclusive=False, run=_measure),
    Job("deliver_notifications", timedelta(seconds=2), exclusive=False, run=_deliver),
    # From a sample to the stored state of its alert are to pass ten seconds at most.
    Job("evaluate_slos", timedelta(seconds=5), exclusive=True, run=_evaluate),
    # Beside the evaluation, not at its end: one that fails or hangs is what it looks for, too.
    Job("watch_slos", timedelta(seconds=15), exclusive=True, run=_watch),
    # Every worker shows all SLOs, whoever evaluated them.
    Job("show_slos", timedelta(seconds=15), exclusive=False, run=_show),
    Job("send_heartbeat", SENT_EVERY, exclusive=False, run=_beat),
    # Drift is judged by the hour; a minute is soon enough.
    Job("detect_drift", timedelta(minutes=1), exclusive=True, run=_detect),
    # By the hour as well; until one is complete this only looks whether an SLO is new.
    Job("watch_slow_leaks", timedelta(minutes=1), exclusive=True, run=_watch_leaks),
    Job("match_signals", timedelta(seconds=15), exclusive=True, run=_match),
    Job("match_reported_scores", timedelta(seconds=15), exclusive=True, run=_match_scores),
    Job("close_sessions", timedelta(minutes=1), exclusive=True, run=_close),
    Job("trim_storage", timedelta(hours=1), exclusive=True, run=_trim),
)


def run_once(job: Job, bench: Bench) -> None:
    """Run the job, unless it is exclusive and runs somewhere else; its errors end here."""
    try:
        with telemetry.job_seconds.labels(job.name).time():
            if job.exclusive:
                with (
                    bench.engine.connect() as connection,
                    locks.exclusive_or_skip(connection, f"job/{job.name}") as held,
                ):
                    if held:
                        job.run(bench)
            else:
                job.run(bench)
    except Exception as error:
        # The next turn tries again; a worker that gives up is worse than one that complains.
        telemetry.job_failures.labels(job.name).inc()
        seen = telemetry.described(error)
        _log.error("job_failed", job=job.name, **seen, trace=telemetry.traced(error))
