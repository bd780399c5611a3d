import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY as METRICS
from sqlalchemy import Engine

from service.jobs.timetable import TIMETABLE, Bench, Job, run_once
from service.settings import Settings
from service.wiring import open_bench
from tests.declared import NOW


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
