from datetime import UTC, datetime
from typing import get_args

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from service.cli import app
from service.cli.keys import ScopeName
from service.domain.api_keys import ApiKey, Scope
from service.store.api_keys import find_live_key, note_uses
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


def test_a_key_may_bring_calls_in_and_nothing_else_unless_told(
    runner: CliRunner, engine: Engine
) -> None:
    plain = runner.invoke(app, ["keys", "create", "--app", "support"]).stdout.strip()
    options = ["--scope", "read", "--scope", "erase", "--rate-limit", "2500"]
    other = runner.invoke(app, ["keys", "create", "--app", "support", *options]).stdout.strip()
    with engine.connect() as connection:
        keys = [find_live_key(connection, ApiKey(secret).hash) for secret in (plain, other)]
    assert [(key.scopes, key.rate_limit_per_s) for key in keys if key] == [
        ({"ingest"}, None),
        ({"read", "erase"}, 2500),
    ]
    listed = runner.invoke(app, ["keys", "list", "--app", "support"]).stdout
    assert "erase, read" in listed
    assert "2,500" in listed


def test_the_last_use_is_listed(runner: CliRunner, engine: Engine) -> None:
    secret = runner.invoke(app, ["keys", "create", "--app", "support"]).stdout.strip()
    assert "never" in runner.invoke(app, ["keys", "list", "--app", "support"]).stdout
    with engine.begin() as connection:
        key = find_live_key(connection, ApiKey(secret).hash)
        assert key
        note_uses(connection, {key.id: datetime(2026, 11, 24, 7, 5, tzinfo=UTC)})
    listed = runner.invoke(app, ["keys", "list", "--app", "support"]).stdout
    assert "2026-11-24 07:05 UTC" in listed
    assert "never" not in listed


@pytest.mark.parametrize("options", [["--scope", "everything"], ["--rate-limit", "0"]])
def test_what_no_key_can_have_is_refused(runner: CliRunner, options: list[str]) -> None:
    result = runner.invoke(app, ["keys", "create", "--app", "support", *options])
    assert result.exit_code == 2
    assert "wk_" not in result.stdout


def test_every_scope_can_be_given() -> None:
    assert [scope.value for scope in ScopeName] == list(get_args(Scope))
