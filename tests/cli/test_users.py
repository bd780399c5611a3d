import pytest
from sqlalchemy import Engine, func, select
from typer.testing import CliRunner, Result

from service.cli import app
from service.store import tables
from service.store.known_apps import UnknownAppError
from service.wiring import utc_now
from tests.declared import a_sample, declare_app, post

USER = "user-4711"


def forget(database_url: str, *words: str) -> Result:
    runner = CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "200"})
    return runner.invoke(app, ["users", "forget", *words])


def test_a_user_is_forgotten_and_what_went_is_counted(engine: Engine, database_url: str) -> None:
    now = utc_now()  # of calls that are still to come, the command knows nothing
    samples = [a_sample(user_id=user, called_at=now) for user in (USER, "other")]
    post(engine, declare_app(engine), samples, now=now)
    done = forget(database_url, "--app", "support", "--user", USER)
    assert done.exit_code == 0, done.output
    assert "Removed: 1 samples, 0 sessions, 0 signals." in done.output
    assert USER not in done.output
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.samples)) == 1


def test_an_unknown_app_is_refused(engine: Engine, database_url: str) -> None:
    declare_app(engine)
    refused = forget(database_url, "--app", "suport", "--user", USER)
    assert isinstance(refused.exception, UnknownAppError)


@pytest.mark.parametrize("missing", ["--app", "--user"])
def test_it_has_to_be_told_who(engine: Engine, database_url: str, missing: str) -> None:
    options = {"--app": "support", "--user": USER}
    options.pop(missing)
    (given,) = options.items()
    assert forget(database_url, *given).exit_code == 2
