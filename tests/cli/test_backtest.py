import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from service.cli import app
from service.flows.backtest_slos import NothingToReplayError
from service.store.apps import find_app
from service.wiring import utc_now
from tests.declarations import ALL, SLO
from tests.declared import a_count, post

Run = Callable[..., Result]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def run(database_url: str) -> Run:
    runner = CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "80"})
    return lambda *words: runner.invoke(app, list(words))


@pytest.fixture
def file(run: Run, engine: Engine, tmp_path: Path) -> Path:
    """A looser SLO than the one in force, on six hours with an outage of one."""
    everything = tmp_path / "all.yaml"
    everything.write_text("---\n".join(ALL), encoding="utf-8")
    assert run("apply", "-f", str(everything)).exit_code == 0
    now = utc_now().replace(second=0, microsecond=0)
    with engine.connect() as connection:
        found = find_app(connection, "support")
    assert found is not None
    start = now - 360 * MINUTE
    counts = [a_count(20, minute=start + n * MINUTE) for n in range(359)]
    counts += [a_count(9, outcome="error", minute=start + n * MINUTE) for n in range(200, 260)]
    post(engine, found, (), counts, now=now)
    looser = tmp_path / "looser.yaml"
    looser.write_text(SLO.replace("0.99", "0.95"), encoding="utf-8")
    return looser


def test_the_pages_of_both_definitions_are_listed_on_eighty_columns(run: Run, file: Path) -> None:
    told = run("backtest", "-f", str(file), "--from", "-6h")
    assert told.exit_code == 0, told.output
    assert "as declared, 95.0 %" in told.output
    assert "in force, 99.0 %: 1 page," in told.output
    assert "the page threshold is" in " ".join(told.output.split())
    assert max(map(len, told.output.splitlines())) <= 80


def test_json_holds_the_same(run: Run, file: Path) -> None:
    (told,) = json.loads(run("backtest", "-f", str(file), "--from", "-6h", "--json").output)
    assert (told["slo"], told["is_unchanged"]) == ("available", False)
    (page,) = [each for each in told["in_force"]["raised"] if each["severity"] == "page"]
    assert "the page threshold is" in page["sentence"]
    assert told["declared"]["budget"][-1]["spent"] < told["in_force"]["budget"][-1]["spent"]


def test_what_is_in_force_already_is_said_to_be(run: Run, file: Path) -> None:
    same = file.with_name("all.yaml")
    assert "in force: the same" in run("backtest", "-f", str(same), "--from", "-6h").output
    refused = run("backtest", "-f", str(same), "--slo", "other")
    assert isinstance(refused.exception, NothingToReplayError)
