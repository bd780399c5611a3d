import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from service.cli import app
from tests.declared import declare_app


@pytest.fixture
def runner(engine: Engine, database_url: str) -> CliRunner:
    declare_app(engine)
    return CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "200"})


def test_a_key_is_created_listed_and_revoked(runner: CliRunner) -> None:
    secret = runner.invoke(app, ["keys", "create", "--app", "support"]).stdout.strip()
    listed = runner.invoke(app, ["keys", "list", "--app", "support"]).stdout
    assert secret[:9] in listed
    assert secret not in listed
    revoked = runner.invoke(app, ["keys", "revoke", secret[:9], "--app", "support"])
    assert revoked.exit_code == 0
    before, after = listed, runner.invoke(app, ["keys", "list", "--app", "support"]).stdout
    assert after.count("UTC") == before.count("UTC") + 1, "it shows when it was revoked"


def test_an_app_without_keys_is_said_to_have_none(runner: CliRunner) -> None:
    assert "has no keys" in runner.invoke(app, ["keys", "list", "--app", "support"]).stdout
