import os
import re
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text
from typer.testing import CliRunner, Result

from service.cli import app, author, declare
from service.flows.apply_declarations import PlanOutdatedError
from service.specs.problems import InvalidDeclarationError
from service.store import tables
from service.store.apps import find_app
from service.store.slo_versions import latest_versions
from service.store.slos import list_slos
from service.wiring import utc_now
from tests.declarations import ALL, APP, CHANNEL, SLO, TASK
from tests.declared import a_count, post
from tests.processes import start
from tests.waiting import wait_for

Apply = Callable[..., Result]
LOOSER = SLO.replace("0.99", "0.95")


@pytest.fixture
def apply(tmp_path: Path, database_url: str, engine: Engine) -> Apply:
    """Runs the command on documents, on a screen of 80 columns."""

    def run(*documents: str, options: tuple[str, ...] = (), typed: str = "") -> Result:
        file = write(tmp_path, *documents)
        environment = {"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "80"}
        runner = CliRunner(env=environment | {"WATCHKEEPER_AUTHOR": "ann"})
        return runner.invoke(app, ["apply", "-f", str(file), *options], input=typed)

    return run


def write(folder: Path, *documents: str) -> Path:
    file = folder / "declared.yaml"
    file.write_text("---\n".join(documents), encoding="utf-8")
    return file


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declare, "is_terminal", lambda: True)


def objective(engine: Engine) -> float | None:
    with engine.connect() as connection:
        slos = list_slos(connection)
    return slos[0].slo.objective if slos else None


def test_the_difference_is_shown_and_applied(apply: Apply, engine: Engine) -> None:
    first = apply(*ALL)
    assert first.exit_code == 0, first.output
    for line in ("+ channel on-call", "+ app support", "+ slo support/available"):
        assert line in first.output
    assert "Plan: 4 to create." in first.output
    second = apply(APP, CHANNEL, TASK, LOOSER)
    assert "~ slo support/available" in second.output
    assert "objective: 0.99 -> 0.95  (looser)" in second.output
    assert "Plan: 1 to change, 3 unchanged." in second.output
    third = apply(APP, CHANNEL, TASK)
    assert "- slo support/available (archived: the documents declare it no more)" in third.output
    assert "Plan: 1 to archive, 3 unchanged." in third.output
    assert objective(engine) is None


def test_a_webhooks_token_is_not_shown(apply: Apply) -> None:
    apply(*ALL)
    changed = apply(CHANNEL.replace("token", "secret-token"))
    assert "url: (an address) -> another value" in changed.output
    assert "token" not in changed.output


@pytest.mark.parametrize(
    ("documents", "plain", "detailed"),
    [((*ALL[:3], LOOSER), 0, 2), (ALL, 0, 0), ((*ALL[:3], "nonsense: 1"), 1, 1)],
)
@pytest.mark.parametrize("dry", [True, False])
def test_exit_codes_tell_whether_there_is_a_difference(
    apply: Apply, dry: bool, documents: tuple[str, ...], plain: int, detailed: int
) -> None:
    apply(*ALL)
    options = ("--dry-run",) if dry else ()
    assert apply(*documents, options=(*options, "--dry-run")).exit_code == plain
    assert apply(*documents, options=(*options, "--detailed-exitcode")).exit_code == detailed


def test_a_dry_run_shows_the_plan_and_changes_nothing(apply: Apply, engine: Engine) -> None:
    apply(*ALL)
    dry = apply(APP, CHANNEL, TASK, LOOSER, options=("--dry-run",))
    assert "objective: 0.99 -> 0.95" in dry.output
    assert "Applied" not in dry.output
    assert objective(engine) == 0.99


def test_a_dry_run_finds_the_faults_that_applying_finds(apply: Apply) -> None:
    found = [
        apply(APP, TASK, SLO.replace("task: answer", "task: anser"), options=options)
        for options in ((), ("--dry-run",))
    ]
    assert all(isinstance(each.exception, InvalidDeclarationError) for each in found)
    assert str(found[0].exception) == str(found[1].exception)


@pytest.mark.parametrize(("typed", "code", "expected"), [("n\n", 1, 0.99), ("y\n", 0, 0.95)])
def test_on_a_terminal_it_asks_before_less_is_promised(
    apply: Apply, engine: Engine, terminal: None, typed: str, code: int, expected: float
) -> None:
    assert "Apply this?" not in apply(*ALL).output
    asked = apply(APP, CHANNEL, TASK, LOOSER, typed=typed)
    assert "Apply this?" in asked.output
    assert asked.exit_code == code
    assert objective(engine) == expected


def test_what_was_agreed_to_is_not_applied_to_something_else(
    apply: Apply, engine: Engine, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(*ALL, options=("--yes",))

    def meanwhile(_question: str) -> bool:
        with engine.begin() as connection:
            connection.execute(tables.apps.update().values(display_name="Another"))
        return True

    monkeypatch.setattr(declare.typer, "confirm", meanwhile)
    late = apply(APP, CHANNEL, TASK, LOOSER)
    assert isinstance(late.exception, PlanOutdatedError)
    assert objective(engine) == 0.99


def test_what_is_missing_can_be_kept(apply: Apply, engine: Engine) -> None:
    apply(*ALL)
    assert apply(APP, CHANNEL, TASK, options=("--keep-missing",)).exit_code == 0
    assert objective(engine) == 0.99


def test_several_files_are_one_set(tmp_path: Path, database_url: str, engine: Engine) -> None:
    names = []
    for number, document in enumerate(ALL):
        file = tmp_path / f"{number}.yaml"
        file.write_text(document, encoding="utf-8")
        names += ["-f", str(file)]
    runner = CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url})
    assert runner.invoke(app, ["apply", *names]).exit_code == 0
    gone = runner.invoke(app, ["apply", *names[:-2]])
    assert "1 to archive" in gone.output


def test_the_help_says_what_is_archived(apply: Apply) -> None:
    said = " ".join(
        CliRunner(env={"COLUMNS": "80"}).invoke(app, ["apply", "--help"]).output.split()
    )
    assert "An app belongs to the files that declare it" in said


def test_what_was_assumed_is_told_and_can_be_refused(apply: Apply, engine: Engine) -> None:
    assuming = SLO.replace("ratioMetric:\n", "ratioMetric:\n        counter: false\n")
    strict = apply(APP, CHANNEL, TASK, assuming, options=("--strict",))
    assert isinstance(strict.exception, InvalidDeclarationError)
    assert objective(engine) is None
    told = apply(APP, CHANNEL, TASK, assuming)
    assert told.exit_code == 0
    assert "Warning: " in told.output
    assert "counter" in told.output


# --- who applied -------------------------------------------------------------------------------


def test_the_author_and_the_reason_are_kept(apply: Apply, engine: Engine) -> None:
    apply(*ALL)
    assert applied_by(engine) == ("ann", "")
    apply(LOOSER, options=("--author", "bob@example.org", "--note", "agreed with sales"))
    assert applied_by(engine) == ("bob@example.org", "agreed with sales")


def applied_by(engine: Engine) -> tuple[str, str]:
    with engine.connect() as connection:
        (version,) = latest_versions(connection).values()
    return version.applied_by, version.note


def test_the_author_is_whom_the_next_one_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(author, "_ask_git", lambda: "git@example.org")
    monkeypatch.setattr(author, "_ask_system", lambda: "account")
    environment = {"WATCHKEEPER_AUTHOR": "ci"}
    assert author.find_author("given", environment) == "given"
    assert author.find_author(None, environment) == "ci"
    assert author.find_author(" ", {}) == "git@example.org"
    monkeypatch.setattr(author, "_ask_git", lambda: "")
    assert author.find_author(None, {}) == "account"
    monkeypatch.setattr(author, "_ask_system", lambda: "")
    assert author.find_author(None, {}) == "unknown"


def test_git_is_asked_and_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configuration = tmp_path / "gitconfig"
    configuration.write_text("[user]\n  email = ann@example.org\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    assert author.find_author(None, {}) == "ann@example.org"
    monkeypatch.setenv("PATH", "")
    assert author.find_author(None, {}) not in ("", "ann@example.org")


# --- what the alerts will do -------------------------------------------------------------------


def test_without_traffic_it_says_so_and_shows_what_needs_none(apply: Apply) -> None:
    shown = apply(*ALL).output
    assert "support/available: 99.0 % good over 28 d" in shown
    assert "Nothing was counted yet" in shown
    assert len(re.findall(r"^page .* unknown *$", shown, re.MULTILINE)) == 2
    assert max(map(len, shown.splitlines())) <= 80


def test_with_traffic_it_reckons_with_the_apps_own(apply: Apply, engine: Engine) -> None:
    apply(APP, CHANNEL, TASK)
    live(engine)
    shown = apply(SLO).output
    assert "In 4 weeks: 15 calls an hour, 20.0 % bad." in shown
    assert "unknown" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def live(engine: Engine) -> None:
    """Twelve good calls and three failed ones in each hour of the last week."""
    now = utc_now().replace(second=0, microsecond=0)
    with engine.connect() as connection:
        found = find_app(connection, "support")
    assert found is not None
    hours = [now - hour * timedelta(hours=1) for hour in range(1, 169)]
    counts = [a_count(12, minute=at) for at in hours]
    counts += [a_count(3, outcome="error", minute=at) for at in hours]
    post(engine, found, counts=counts, now=now)


def test_only_what_is_new_or_changed_is_reckoned(apply: Apply) -> None:
    apply(*ALL)
    assert "Fires" not in apply(*ALL).output
    assert "Fires" in apply(LOOSER).output


# --- killed ------------------------------------------------------------------------------------


def test_killed_in_the_middle_it_leaves_nothing(
    tmp_path: Path, database_url: str, engine: Engine
) -> None:
    file = write(tmp_path, *ALL)
    with engine.begin() as blocking:
        blocking.execute(text("LOCK TABLE tasks IN EXCLUSIVE MODE"))
        process = start("apply", "-f", str(file), WATCHKEEPER_DATABASE_URL=database_url)
        try:
            wait_for(lambda: waits(engine), what="the apply, its channel and app written")
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(30)
    wait_for(lambda: not waits(engine), what="the end of its transaction")
    with engine.connect() as connection:
        for table in (tables.channels, tables.apps, tables.teams, tables.tasks, tables.slos):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


def waits(engine: Engine) -> bool:
    query = (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid != pg_backend_pid() AND state != 'idle' AND query LIKE '%INTO tasks%'"
    )
    with engine.connect() as connection:
        return bool(connection.scalar(text(query)))
