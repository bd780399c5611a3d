import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from psycopg import errors
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError

from evaluators import registry as evaluator_registry
from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier
from evaluators.registry import Entry, Registry
from service.domain.drift.reference import Reference, build_reference
from service.domain.scores import EVALUATOR_ERROR, Stream
from service.flows.build_evaluators import build_evaluators
from service.flows.score_samples import MAXIMUM_FAILURES, score_samples
from service.store import drift, scoring_jobs, tables
from service.store.tasks import EvaluatorChoice
from tests.declared import LENGTH, NOW, PRIME, a_sample, declare_app, declare_task, post
from tests.waiting import wait_for

LEASE = timedelta(seconds=60)
REGISTRY = evaluator_registry.load()


def score_all(engine: Engine, registry: Registry = REGISTRY, *, now: datetime = NOW) -> int:
    jobs = 0
    while score_samples(engine, registry, clock=lambda: now, lease=LEASE):
        jobs += 1
    return jobs


def rows_of(engine: Engine, table: Any) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.execute(select(table)).all()


class Grumpy:
    """Raises on one sample, and lies about its range on another."""

    name: ClassVar[str] = "grumpy"
    revision: ClassVar[str] = "1"
    unit: ClassVar[str | None] = None
    tier: ClassVar[Tier] = "cheap"
    reads_contract: ClassVar[bool] = False
    Config: ClassVar[type[EvaluatorConfig]] = EvaluatorConfig

    def __init__(self, config: EvaluatorConfig, task: Task) -> None: ...

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
        if any(sample.response == "poison" for sample in samples):
            raise RuntimeError("poison: the text of the answer")
        return [Score(7.0 if sample.response == "lie" else 1.0) for sample in samples]


def test_scores_sli_counts_and_the_jobs_end_come_together(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME, LENGTH)
    post(engine, app, [a_sample(), a_sample(response="[No]"), a_sample(reference=None)])
    assert score_all(engine) == 1
    assert rows_of(engine, tables.scoring_jobs) == []
    assert len(rows_of(engine, tables.scores)) == 2 + 3  # no reference: no expected answer
    (minute,) = rows_of(engine, tables.sli_minutes)  # length has no pass rule: no SLI
    assert (minute.evaluator, minute.n, minute.bad_n, minute.wx) == ("expected_answer", 2, 1, 1.0)


def test_a_sample_that_was_kept_rarely_weighs_more(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    post(engine, app, [a_sample(keep_probability=0.1), a_sample(response="[No]")])
    score_all(engine)
    (minute,) = rows_of(engine, tables.sli_minutes)
    assert (minute.w, minute.bad_w, minute.w2) == (11.0, 1.0, 101.0)


def test_a_failing_sample_costs_only_itself_and_its_text_is_not_kept(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, EvaluatorChoice("grumpy", {}, None), PRIME)
    post(engine, app, [a_sample(), a_sample(response="poison"), a_sample(response="lie")])
    registry = Registry(
        {"grumpy": Entry("tests", lambda: Grumpy), "expected_answer": _entry("expected_answer")}
    )
    score_all(engine, registry)
    grumpy = [row for row in rows_of(engine, tables.scores) if row.evaluator == "grumpy"]
    failed = [row for row in grumpy if row.label == EVALUATOR_ERROR]
    assert (len(grumpy), len(failed)) == (3, 2)
    assert all(row.value is None and "text of the answer" not in row.explanation for row in failed)
    minutes = {row.evaluator: row.n for row in rows_of(engine, tables.sli_minutes)}
    assert minutes == {"grumpy": 1, "expected_answer": 3}


def _entry(name: str) -> Entry:
    return Entry("tests", lambda: REGISTRY.find(name))


def test_a_job_whose_worker_died_is_taken_over_after_its_lease(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    post(engine, app, [a_sample()])
    with engine.begin() as connection:
        dead = scoring_jobs.claim(connection, token=_token(1), now=NOW, lease=LEASE)
    assert dead is not None
    assert score_all(engine, now=NOW + LEASE - timedelta(seconds=1)) == 0
    assert score_all(engine, now=NOW + LEASE) == 1
    with engine.begin() as connection:
        assert scoring_jobs.finish(connection, dead) is False
    assert len(rows_of(engine, tables.scores)) == 1


def _token(number: int) -> UUID:
    return UUID(int=number)


def test_many_workers_at_once_score_every_sample_exactly_once(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME, drift=("expected_answer",))
    for _ in range(12):
        post(engine, app, [a_sample() for _ in range(20)])
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        score_all(engine)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.sli_minutes.c.n))) == 240
        assert connection.scalar(select(func.count()).select_from(tables.scores)) == 240


def test_an_evaluator_that_is_not_installed_costs_only_its_own_scores(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, EvaluatorChoice("gone", {}, None), PRIME)
    post(engine, app, [a_sample()])
    assert score_all(engine) == 1
    assert [row.evaluator for row in rows_of(engine, tables.scores)] == ["expected_answer"]


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job fails."""

    def fail(*_: object) -> None:
        raise ValueError("unreadable")

    monkeypatch.setattr("service.flows.score_samples.read_samples", fail)


@pytest.mark.usefixtures("unreadable")
def test_a_job_that_fails_again_and_again_is_set_aside_and_shown(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, [a_sample()])
    for attempt in range(MAXIMUM_FAILURES + 3):
        score_all(engine, now=NOW + attempt * timedelta(minutes=1))
    (job,) = rows_of(engine, tables.scoring_jobs)
    assert (job.failures, job.last_error) == (MAXIMUM_FAILURES, "ValueError")
    with engine.connect() as connection:
        assert scoring_jobs.read_backlog(connection).set_aside_samples == 1


def kill_a_worker(engine: Engine, *, now: datetime) -> scoring_jobs.ScoringJob | None:
    """A worker claims a job and is never heard of again."""
    with engine.begin() as connection:
        return scoring_jobs.claim(connection, token=uuid4(), now=now, lease=LEASE)


def test_a_sample_that_kills_its_worker_ends_up_alone_and_aside(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    deadly = a_sample()
    post(engine, app, [a_sample(), a_sample(), deadly, a_sample(), a_sample()])
    now, kills = NOW, 0
    while rows_of(engine, tables.scoring_jobs) and kills < 30:
        job = kill_a_worker(engine, now=now)
        if job is None:
            break
        if deadly.sample_id not in job.sample_ids:
            with engine.begin() as connection:  # this worker lived
                assert scoring_jobs.finish(connection, job)
            continue
        kills, now = kills + 1, now + LEASE
    (left,) = rows_of(engine, tables.scoring_jobs)
    assert left.sample_ids == [deadly.sample_id]
    assert (left.last_error, left.failed_at) == ("its worker died 3 times", now)
    assert kills <= 9


@pytest.mark.usefixtures("unreadable")
def test_killed_workers_are_not_failures_of_the_job(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, [a_sample(), a_sample()])
    for kill in range(2):
        kill_a_worker(engine, now=NOW + kill * LEASE)
    score_samples(engine, REGISTRY, clock=lambda: NOW + 2 * LEASE, lease=LEASE)
    (job,) = rows_of(engine, tables.scoring_jobs)
    assert (job.lost_leases, job.failures, job.failed_at) == (2, 1, None)


@pytest.mark.parametrize("transient", [errors.DeadlockDetected, errors.SerializationFailure])
def test_trouble_that_passes_does_not_count_as_a_failure(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, transient: type[errors.Error]
) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    post(engine, app, [a_sample()])

    def fail(*_: object, **__: object) -> None:
        raise DBAPIError.instance("COPY", None, transient("the row says: 7"), errors.Error)

    with monkeypatch.context() as patched:
        patched.setattr("service.flows.score_samples.insert_scores", fail)
        for minute in range(MAXIMUM_FAILURES + 3):
            now = NOW + timedelta(minutes=minute)
            assert score_samples(engine, REGISTRY, clock=lambda now=now: now, lease=LEASE)
    (job,) = rows_of(engine, tables.scoring_jobs)
    assert (job.failures, job.lost_leases, job.failed_at) == (0, 0, None)
    assert job.last_error == transient.__name__
    assert score_all(engine, now=NOW + timedelta(hours=1)) == 1
    assert len(rows_of(engine, tables.scores)) == 1


def test_a_job_longer_than_its_lease_stays_with_its_worker(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, EvaluatorChoice("slow", {}, None))
    post(engine, app, [a_sample()])
    lease = timedelta(seconds=0.5)
    entered, leave = threading.Event(), threading.Event()

    class Slow(Grumpy):
        name: ClassVar[str] = "slow"

        def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
            entered.set()
            assert leave.wait(20)
            return [Score(1.0) for _ in samples]

    registry = Registry({"slow": Entry("tests", lambda: Slow)})

    def score() -> bool:
        return score_samples(engine, registry, clock=lambda: datetime.now(UTC), lease=lease)

    worker = threading.Thread(target=score)
    worker.start()
    assert entered.wait(20)
    (claimed,) = rows_of(engine, tables.scoring_jobs)
    try:
        wait_for(
            lambda: datetime.now(UTC) > claimed.leased_until + lease, what="the first lease's end"
        )
        assert not score(), "a second worker took the job while the first one worked on it"
    finally:
        leave.set()
        worker.join()
    assert rows_of(engine, tables.scoring_jobs) == []
    assert len(rows_of(engine, tables.scores)) == 1


def test_a_lease_that_passed_to_another_worker_is_not_renewed(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, [a_sample()])
    first = kill_a_worker(engine, now=NOW)
    second = kill_a_worker(engine, now=NOW + LEASE)
    assert first is not None
    assert second is not None
    with engine.begin() as connection:
        assert not scoring_jobs.renew(connection, first, until=NOW + 9 * LEASE)
        assert scoring_jobs.renew(connection, second, until=NOW + 5 * LEASE)
    (job,) = rows_of(engine, tables.scoring_jobs)
    assert job.leased_until == NOW + 5 * LEASE


def test_a_backfill_of_one_app_does_not_keep_another_waiting(engine: Engine) -> None:
    big, small = declare_app(engine, "big"), declare_app(engine, "small")
    for _ in range(20):
        post(engine, big, [a_sample()])
    post(engine, small, [a_sample()])
    with engine.begin() as connection:
        taken = [
            scoring_jobs.claim(connection, token=UUID(int=turn), now=NOW, lease=LEASE)
            for turn in range(4)
        ]
    assert small.id in [job.app_id for job in taken[:2] if job is not None]
    assert [job.app_id for job in taken[2:] if job is not None] == [big.id, big.id]


def test_the_newest_calls_of_an_app_are_scored_first(engine: Engine) -> None:
    app = declare_app(engine)
    hours = (3, 1, 2)
    for hour in hours:
        post(engine, app, [a_sample(called_at=NOW - timedelta(hours=hour))])
    with engine.begin() as connection:
        taken = [scoring_jobs.claim(connection, token=uuid4(), now=NOW, lease=LEASE) for _ in hours]
    ages = [NOW - job.called_ats[0] for job in taken if job is not None]
    assert ages == [timedelta(hours=hour) for hour in sorted(hours)]


def test_samples_of_an_undeclared_task_are_kept_unscored(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, [a_sample(task="other")])
    assert score_all(engine) == 1
    assert (rows_of(engine, tables.scores), rows_of(engine, tables.scoring_jobs)) == ([], [])


@pytest.fixture
def reference() -> Reference:
    built = build_reference([float(n % 100) for n in range(2000)], [1.0] * 2000)
    assert isinstance(built, Reference)
    return built


def test_scores_after_the_reference_are_counted_in_its_bins(
    engine: Engine, reference: Reference
) -> None:
    app = declare_app(engine)
    task = declare_task(engine, app, LENGTH, drift=("length",))
    (built,) = build_evaluators(REGISTRY, task)
    stream = Stream(app.id, "production", "answer", "length", built.version)
    with engine.begin() as connection:
        stored = drift.add_reference(
            connection,
            stream,
            reference,
            starts_at=NOW - timedelta(days=28),
            ends_at=NOW,
            now=NOW,
        )
    early = a_sample(called_at=NOW - timedelta(seconds=1))
    post(engine, app, [early, a_sample(response="x" * 3), a_sample(response="x" * 1000)])
    score_all(engine)
    with engine.connect() as connection:
        ((hour, counts),) = drift.read_batches(connection, stored)
    assert hour == NOW
    assert (counts.n[0], counts.n[-1], counts.rows) == (1, 1, 2)
