from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from evaluators import registry
from service.cli import app
from service.flows.score_samples import score_samples
from service.store.known_apps import UnknownAppError
from service.wiring import utc_now
from tests.declared import PRIME, a_count, a_sample, declare_app, declare_task, post

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str) -> Run:
    runner = CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "80"})
    return lambda *words: runner.invoke(app, list(words))


@pytest.fixture
def scored(engine: Engine) -> None:
    watched, now = declare_app(engine), utc_now()
    declare_task(engine, watched, PRIME)
    at = now - timedelta(minutes=5)
    minute = at.replace(second=0, microsecond=0)
    post(engine, watched, [a_sample(called_at=at)], [a_count(minute=minute)], now=now)
    loaded = registry.load()
    while score_samples(engine, loaded, clock=utc_now, lease=timedelta(minutes=1)):
        pass


@pytest.mark.usefixtures("scored")
def test_a_dry_run_is_a_check_and_a_rebuild_its_remedy(run: Run, engine: Engine) -> None:
    assert run("rebuild", "--dry-run", "--from", "-2d").exit_code == 0
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sli_totals"))
    checked = run("rebuild", "--dry-run", "--from", "-2d")
    assert checked.exit_code == 2
    assert "sli_totals: 2 missing, 0 wrong, 0 too many" in checked.output
    assert max(map(len, checked.output.splitlines())) <= 80
    assert run("rebuild", "--from", "-2d").exit_code == 0
    assert "0 differ" in run("rebuild", "--dry-run", "--from", "-2d").output


@pytest.mark.usefixtures("scored")
def test_everything_that_is_kept_is_looked_at_unless_said_otherwise(run: Run) -> None:
    assert "were looked at: 0 differ" in run("rebuild", "--dry-run", "--app", "support").output
    assert isinstance(run("rebuild", "--app", "nobody").exception, UnknownAppError)


def test_an_empty_range_is_refused(run: Run) -> None:
    refused = run("rebuild", "--from", "-1d", "--to", "-2d")
    assert "--from must be before --to" in str(refused.exception)
