import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from service.cli.report import report
from service.flows.build_report import UnknownTeamError
from tests.watched import Spell, live_through, watch_app


@pytest.fixture
def runner(database_url: str) -> CliRunner:
    return CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "200"})


@pytest.fixture
def last_week(engine: Engine) -> str:
    """A week with data; the command has the real clock."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end -= timedelta(days=end.weekday())
    app = watch_app(engine)
    before = Spell(end - timedelta(days=14), end - timedelta(days=7), scored=10, bad=4)
    live_through(engine, app, [before, Spell(before.end, end, scored=10, bad=1)])
    return "{}-W{:02}".format(*(end - timedelta(days=1)).isocalendar())


def test_the_report_is_printed_as_a_table(runner: CliRunner, last_week: str) -> None:
    result = runner.invoke(report, ["weekly", "--team", "care", "--week", last_week])
    assert result.exit_code == 0, result.output
    assert f"week {last_week}" in result.output
    assert "90.0 %" in result.output
    assert "The objective held" in result.output
    assert "+30.0 points" in result.output
    assert re.search(r"\+28\.\d to \+31\.\d points", result.output)
    assert "better" in result.output


def test_the_report_as_json_is_that_of_the_api(runner: CliRunner, last_week: str) -> None:
    arguments = ["weekly", "--team", "care", "--week", last_week, "--format", "json"]
    result = runner.invoke(report, arguments)
    document = json.loads(result.output)
    slos = {slo["name"]: slo for slo in document["apps"][0]["slos"]}
    correct = slos["correct"]
    assert correct["attainment"]["good_ratio"] == pytest.approx(0.9)
    lower, upper = correct["change"]["interval"]
    assert 0.28 < lower < correct["change"]["difference"] < upper < 0.32
    assert correct["coverage"]["share"] == correct["budget_coverage"]["share"] == 1


def test_an_unknown_team_is_an_error_that_names_the_teams(
    runner: CliRunner, last_week: str
) -> None:
    result = runner.invoke(report, ["weekly", "--team", "nobody"])
    assert isinstance(result.exception, UnknownTeamError)
    assert "care" in str(result.exception)
