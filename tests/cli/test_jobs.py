from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from service.cli import app
from service.store import scoring_jobs
from service.store.scoring_jobs import ScoringJob
from service.store.set_aside_jobs import NotSetAsideError
from tests.declared import NOW, a_sample, declare_app, post

LEASE = timedelta(minutes=1)
Command = Callable[..., Result]


@pytest.fixture
def jobs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `watchkeeper jobs` against the test's database."""
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, ["jobs", *words])


def claim(engine: Engine) -> ScoringJob | None:
    with engine.begin() as connection:
        return scoring_jobs.claim(connection, token=uuid4(), now=NOW, lease=LEASE)


@pytest.fixture
def set_aside(engine: Engine) -> ScoringJob:
    post(engine, declare_app(engine), [a_sample(), a_sample()])
    job = claim(engine)
    assert job is not None
    with engine.begin() as connection:
        scoring_jobs.give_up(connection, job, error="UnknownEvaluator", failures=5, now=NOW)
    return job


def test_a_job_that_was_set_aside_is_listed_with_its_reason(
    jobs: Command, set_aside: ScoringJob
) -> None:
    shown = jobs("list")
    assert shown.exit_code == 0, shown.output
    for part in (str(set_aside.id), "support", "answer", "UnknownEvaluator", "2026-11-25 12:00"):
        assert part in shown.output


def test_without_such_jobs_the_list_says_so(jobs: Command) -> None:
    assert "No scoring job is set aside" in jobs("list").output


@pytest.mark.parametrize("by_id", [True, False], ids=["by its id", "with all others"])
def test_a_job_is_queued_again_as_if_nothing_had_happened(
    jobs: Command, engine: Engine, set_aside: ScoringJob, by_id: bool
) -> None:
    assert claim(engine) is None
    done = jobs("retry", str(set_aside.id) if by_id else "--all")
    assert done.output == f"Jobs queued again: {set_aside.id}\n"
    job = claim(engine)
    assert job is not None
    assert (job.id, job.failures, job.lost_leases) == (set_aside.id, 0, 0)


def test_an_id_that_was_not_set_aside_changes_nothing(
    jobs: Command, engine: Engine, set_aside: ScoringJob
) -> None:
    refused = jobs("retry", str(set_aside.id), "4711")
    assert isinstance(refused.exception, NotSetAsideError)
    assert "4711" in str(refused.exception)
    assert claim(engine) is None


def test_retrying_needs_to_be_told_what(jobs: Command) -> None:
    assert jobs("retry").exit_code == 2
    assert jobs("retry", "1", "--all").exit_code == 2
