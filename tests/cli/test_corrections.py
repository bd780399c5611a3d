from datetime import timedelta

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from service.cli import app
from service.domain.corrections import InvalidCorrectionError, excluded_minutes
from service.domain.slos import Slo
from service.store.corrections import list_corrections
from service.wiring import utc_now
from tests.declared import declare_app, declare_slo

HOUR = timedelta(hours=1)


@pytest.fixture
def slo(engine: Engine) -> Slo:
    return declare_slo(engine, declare_app(engine), evaluator=None)


def run(database_url: str, *words: str) -> Result:
    runner = CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "220"})
    command, *rest = words
    return runner.invoke(app, ["corrections", command, "--app", "support", *rest])


def test_a_maintenance_is_added_listed_and_revoked(
    engine: Engine, database_url: str, slo: Slo
) -> None:
    now = utc_now().replace(second=0, microsecond=0)
    start = now + HOUR
    who = ["--reason", "move", "--by", "Ann"]
    added = run(database_url, "add", "--from", f"{start:%Y-%m-%dT%H:%M}", "--for", "90m", *who)
    assert added.exit_code == 0, added.output
    assert "the whole app of support" in added.stdout
    with engine.connect() as connection:
        (correction,) = list_corrections(connection, since=now)
        assert excluded_minutes([correction], slo, now, now + 24 * HOUR) == (
            (start, start + 1.5 * HOUR),
        )
    listed = run(database_url, "list").stdout
    assert "move" in listed
    assert run(database_url, "revoke", str(correction.id), "--by", "Ben").exit_code == 0
    assert "by Ben" in run(database_url, "list").stdout
    with engine.connect() as connection:
        assert excluded_minutes(list_corrections(connection), slo, now, now + 24 * HOUR) == ()


@pytest.mark.parametrize(
    "end", [["--for", "8d"], ["--for", "soon"], ["--to", "later"], ["--for", "1h", "--slo", "no"]]
)
def test_what_cannot_be_a_correction_is_refused(
    database_url: str, slo: Slo, end: list[str]
) -> None:
    start = f"{utc_now():%Y-%m-%dT%H:%M}"
    refused = run(database_url, "add", "--from", start, *end, "--reason", "x", "--by", "Ann")
    assert isinstance(refused.exception, InvalidCorrectionError)


def test_it_has_one_end(database_url: str, slo: Slo) -> None:
    who = ["--reason", "x", "--by", "Ann"]
    assert run(database_url, "add", "--from", "2026-11-25", *who).exit_code == 2
