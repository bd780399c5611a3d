from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from evaluators import registry
from service.cli import app
from service.domain.alert_windows import AlertTier, propose_catalogue
from service.domain.budget_windows import Calendar
from service.domain.indicators import Filters, Indicator, IndicatorKind, Member
from service.domain.slos import Budgeting, Consequence, Slo
from service.flows.evaluate_slos import evaluate_slos
from service.store.apps import find_app
from service.store.known_apps import UnknownAppError
from service.store.known_slos import UnknownSloError
from service.store.slos import put_slo
from service.wiring import utc_now
from tests.declarations import ALL, APP, CHANNEL, SLO, TASK

MONTH = timedelta(days=30)
Run = Callable[..., Result]
LOOSER = SLO.replace("0.99", "0.95")


@pytest.fixture
def run(database_url: str, engine: Engine) -> Run:
    environment = {"WATCHKEEPER_DATABASE_URL": database_url, "COLUMNS": "80"}
    runner = CliRunner(env=environment | {"WATCHKEEPER_AUTHOR": "ann"})
    return lambda *words: runner.invoke(app, list(words))


@pytest.fixture
def apply(run: Run, tmp_path: Path) -> Run:
    def apply(*documents: str, note: str = "") -> Result:
        file = tmp_path / "declared.yaml"
        file.write_text("---\n".join(documents), encoding="utf-8")
        done = run("apply", "-f", str(file), "--note", note)
        assert done.exit_code == 0, done.output
        return done

    return apply


def test_slos_are_listed_with_their_version(run: Run, apply: Run) -> None:
    assert "No SLO is declared" in run("slo", "list").output
    apply(*ALL)
    apply(LOOSER)
    listed = run("slo", "list").output
    (line,) = [line for line in listed.splitlines() if "support/" in line]
    assert line.split()[:4] == ["support/available", "95.0", "%", "28"]
    assert "not judged yet" in line
    assert " 2 " in line
    assert max(map(len, listed.splitlines())) <= 80


def test_archived_ones_are_listed_apart(run: Run, apply: Run) -> None:
    apply(*ALL)
    apply(APP, CHANNEL, TASK, LOOSER)
    assert "No SLO is archived" in run("slo", "list", "--archived").output
    apply(APP, CHANNEL, TASK)
    assert "No SLO is declared" in run("slo", "list").output
    assert "support/available" in run("slo", "list", "--archived").output
    assert "(archived)" in run("slo", "show", "support/available").output


def test_the_history_tells_what_changed_by_whom_and_why(run: Run, apply: Run) -> None:
    apply(*ALL)
    apply(LOOSER, note="agreed with sales")
    apply(LOOSER, note="nothing new")
    told = run("slo", "history", "support/available").output
    first, second = told.split("version 2, ")
    assert "objective: 0.99" in first
    assert "by ann: agreed with sales" in second
    assert "    objective: 0.99 -> 0.95" in second
    assert "nothing new" not in told


def test_one_is_shown_with_what_its_alerts_will_do(run: Run, apply: Run, engine: Engine) -> None:
    apply(*ALL)
    evaluate_slos(engine, registry.load(), now=utc_now())
    shown = run("slo", "show", "support/available").output
    for line in (
        "objective: 0.99",
        "window: 28 d",
        "indicator.task: answer",
        "unknown, ",
        "by ann",
    ):
        assert line in shown
    assert "Nothing was counted yet" in shown


@pytest.mark.parametrize("command", ["show", "history", "export"])
def test_an_unknown_slo_is_answered_with_the_known_ones(run: Run, apply: Run, command: str) -> None:
    apply(*ALL)
    refused = run("slo", command, "support/availble")
    assert isinstance(refused.exception, UnknownSloError)
    assert "available" in str(refused.exception)


def test_an_unknown_app_is_answered_with_the_known_ones(run: Run, apply: Run) -> None:
    apply(*ALL)
    for words in (["list", "--app", "suport"], ["export", "suport"]):
        assert isinstance(run("slo", *words).exception, UnknownAppError)


def test_a_name_without_its_app_is_refused(run: Run, apply: Run) -> None:
    assert run("slo", "show", "available").exit_code == 2


def test_what_is_exported_applies_as_unchanged(run: Run, apply: Run) -> None:
    apply(*ALL)
    for which in ([], ["support"], ["support/available"]):
        exported = run("slo", "export", *which)
        assert exported.exit_code == 0, exported.output
        (document,) = yaml.safe_load_all(exported.output)
        assert document["kind"] == "SLO"
        again = apply(APP, CHANNEL, TASK, exported.output)
        assert "Plan: 4 unchanged." in again.output
        assert "Nothing to change." in again.output


def test_whatever_an_slo_promises_survives_export_and_apply(
    run: Run, apply: Run, engine: Engine
) -> None:
    apply(APP, CHANNEL, TASK)
    with engine.begin() as connection:
        found = find_app(connection, "support")
        assert found is not None
        for slo in of_every_kind():
            put_slo(connection, found.id, slo, display_name=f"All about: {slo.name} #1")
    exported = run("slo", "export")
    assert exported.exit_code == 0, exported.output
    again = apply(APP, CHANNEL, TASK, exported.output)
    assert f"Plan: {3 + len(of_every_kind())} unchanged." in again.output


def of_every_kind() -> list[Slo]:
    def of(kind: IndicatorKind, **more: Any) -> Indicator:
        return Indicator(kind, "answer", "production", **more)

    def slo(name: str, indicator: Indicator, objective: float = 0.99, **more: Any) -> Slo:
        tiers = more.pop("tiers", propose_catalogue(objective, MONTH))
        return Slo(name, "support", indicator, objective, MONTH, tiers, **more)

    zone = Calendar("month", 1, "Europe/Vienna", datetime(2025, 12, 31, 23, tzinfo=UTC))
    five = timedelta(minutes=5)
    own = (AlertTier.of("page", timedelta(hours=2), 7.5, MONTH),)
    members = (Member("available", 2.0), Member("quick", 1.0))
    only = Filters(release="v2", model="gpt-4", prompt_version="7")
    return [
        slo("available", of("availability", filters=only)),
        slo("quick", of("latency", limit=2500.0), calendar=zone, tiers=own),
        slo("good", of("quality", evaluator="refusal"), 0.9),
        slo("average", of("mean", evaluator="refusal"), 0.8),
        slo("liked", of("signals", signals=("thumbs", "correction"))),
        slo("cheap", of("cost", limit=0.01), budgeting=Budgeting("timeslices", five, 0.9)),
        slo("fresh", of("freshness"), budgeting=Budgeting("timeslices", five, 1.0)),
        slo("steady", of("availability"), budgeting=Budgeting("ratio_timeslices", five)),
        slo("strict", of("availability"), policy=(Consequence(0.1, "notify"),)),
        slo("everything", Indicator("composite", "", "production", members=members)),
    ]
