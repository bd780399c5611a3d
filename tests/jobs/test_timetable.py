import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY as METRICS
from sqlalchemy import Engine

from service.jobs.timetable import TIMETABLE, Bench, Job, run_once
from service.settings import Settings
from service.store import scoring_jobs
from service.wiring import open_bench
from tests.declared import NOW, PRIME, a_sample, declare_app, declare_task, post


@pytest.fixture
def bench(engine: Engine) -> Iterator[Bench]:
    with open_bench(engine, Settings(), clock=lambda: NOW) as bench:
        yield bench


def test_an_exclusive_job_runs_in_one_worker_at_a_time(bench: Bench) -> None:
    entered, leave, ran = threading.Event(), threading.Event(), []

    def hold(_: Bench) -> None:
        ran.append("first")
        entered.set()
        assert leave.wait(20)

    job = Job("held", timedelta(seconds=1), exclusive=True, run=hold)
    first = threading.Thread(target=run_once, args=(job, bench))
    first.start()
    assert entered.wait(20)
    second = Job("held", timedelta(seconds=1), exclusive=True, run=lambda _: ran.append("second"))
    run_once(second, bench)
    leave.set()
    first.join()
    assert ran == ["first"]
    run_once(second, bench)
    assert ran == ["first", "second"]


def test_a_job_that_raises_is_counted_and_does_not_end_the_worker(bench: Bench) -> None:
    def fail(_: Bench) -> None:
        raise RuntimeError("no")

    failures = "watchkeeper_job_failures_total"
    before = METRICS.get_sample_value(failures, {"job": "failing"}) or 0
    run_once(Job("failing", timedelta(seconds=1), exclusive=True, run=fail), bench)
    assert METRICS.get_sample_value(failures, {"job": "failing"}) == before + 1


@pytest.mark.parametrize("job", TIMETABLE, ids=lambda job: job.name)
def test_every_job_runs_on_an_empty_database(bench: Bench, job: Job) -> None:
    failures = {"name": "watchkeeper_job_failures_total", "labels": {"job": job.name}}
    before = METRICS.get_sample_value(**failures)
    run_once(job, bench)
    assert METRICS.get_sample_value(**failures) == before


def test_the_backlog_is_measured_while_it_is_worked_off(bench: Bench) -> None:
    app = declare_app(bench.engine)
    declare_task(bench.engine, app, PRIME)
    early = NOW - timedelta(minutes=7)
    post(bench.engine, app, [a_sample(called_at=early) for _ in range(3)], now=early)
    post(bench.engine, app, [a_sample(), a_sample()])
    with bench.engine.begin() as connection:  # a worker has begun with the newest
        claimed = scoring_jobs.claim(
            connection, token=uuid4(), now=NOW, lease=bench.settings.scoring_lease
        )
    measure = next(job for job in TIMETABLE if job.name == "measure_backlog")
    run_once(measure, bench)
    assert METRICS.get_sample_value("watchkeeper_scoring_backlog_samples") == 5
    assert METRICS.get_sample_value("watchkeeper_scoring_oldest_wait_seconds") == 7 * 60
    assert claimed is not None
    with bench.engine.begin() as connection:
        scoring_jobs.give_up(connection, claimed, error="no", failures=5, now=NOW)
    run_once(measure, bench)
    assert METRICS.get_sample_value("watchkeeper_scoring_backlog_samples") == 3
    assert METRICS.get_sample_value("watchkeeper_scoring_set_aside_samples") == 2
    run_once(next(job for job in TIMETABLE if job.name == "score_samples"), bench)
    run_once(measure, bench)
    assert METRICS.get_sample_value("watchkeeper_scoring_backlog_samples") == 0
    assert METRICS.get_sample_value("watchkeeper_scoring_oldest_wait_seconds") == 0
