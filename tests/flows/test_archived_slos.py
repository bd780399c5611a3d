"""What goes with the documents that declared it, and what comes back with them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text

from evaluators import registry
from service.domain.alert_windows import standard_catalogue
from service.domain.incidents import AlertSignal
from service.domain.indicators import Indicator, Member
from service.domain.slos import Slo
from service.flows import apply_declarations as flow
from service.flows.apply_declarations import (
    Applied,
    PlanOutdatedError,
    Terms,
    apply_declarations,
)
from service.flows.check_slos import BrokenCompositeError
from service.flows.evaluate_slos import evaluate_slos
from service.flows.open_incident import raise_alert
from service.store import tables
from service.store.alerts import find_feed
from service.store.apps import find_app
from service.store.incidents import read_incident
from service.store.locks import hold
from service.store.ownership import list_held_channels
from service.store.slo_versions import list_versions
from service.store.slos import find_slo, list_slos, lock_in_force, put_slo
from service.store.tasks import list_tasks
from tests.declarations import ALL, APP, CHANNEL, SLO, TASK
from tests.declared import NOW
from tests.waiting import wait_for

REGISTRY = registry.load()
WINDOW = timedelta(days=28)


def apply(engine: Engine, *texts: str, **terms: object) -> Applied:
    files = [(f"{number}.yaml", text) for number, text in enumerate(texts)]
    asked = Terms(author="ann", **terms)  # type: ignore[arg-type]
    return apply_declarations(engine, REGISTRY, files, {}, now=NOW, terms=asked)


def actions(applied: Applied) -> dict[str, str]:
    return {str(step.subject): step.action for step in applied.plan.steps}


def contents(engine: Engine) -> dict[str, list[object]]:
    declared = (tables.apps, tables.tasks, tables.slos, tables.channels, tables.app_channels)
    others = (tables.slo_versions, tables.alerts, tables.incident_events, tables.teams)
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in (*declared, *others)
        }


def versions(engine: Engine, name: str = "available") -> list[tuple[int, str, str]]:
    with engine.connect() as connection:
        stored = find_slo(connection, "support", name, or_archived=True)
        assert stored is not None
        return [
            (each.version, each.applied_by, each.note)
            for each in list_versions(connection, stored.id)
        ]


def fire(engine: Engine, source: str) -> int:
    with engine.begin() as connection:
        app = find_app(connection, "support")
        assert app is not None
        signal = AlertSignal(
            source=source,
            kind="slo",
            app_id=app.id,
            app="support",
            environment="production",
            task="answer",
            severity="page",
            title="Calls fail",
            sentence="Half of the calls failed",
            evidence={},
        )
        return raise_alert(connection, signal, now=NOW).id


def test_what_is_missing_is_archived_with_its_alerts_and_keeps_its_history(engine: Engine) -> None:
    apply(engine, *ALL)
    incident = fire(engine, "slo/support/available")
    assert fire(engine, "leak/support/available") == incident
    gone = apply(engine, APP, CHANNEL)
    assert actions(gone)["slo support/available"] == "archive"
    assert actions(gone)["task support/answer"] == "archive"
    with engine.connect() as connection:
        assert not list_slos(connection)
        assert not list_tasks(connection)
        assert find_feed(connection, "slo/support/available") is None
        assert find_feed(connection, "leak/support/available") is None
        record = read_incident(connection, incident)
    assert record.incident.status == "resolved"
    assert "the SLO available was archived by ann" in str(record)
    assert evaluate_slos(engine, REGISTRY, now=NOW) == {}
    assert versions(engine)[-1] == (2, "ann", "archived")


def test_an_archived_slo_comes_back_with_its_id(engine: Engine) -> None:
    apply(engine, *ALL)
    with engine.connect() as connection:
        before = find_slo(connection, "support", "available")
    apply(engine, APP, CHANNEL, TASK)
    assert actions(apply(engine, *ALL))["slo support/available"] == "revive"
    with engine.connect() as connection:
        assert find_slo(connection, "support", "available") == before
    assert [note for _, _, note in versions(engine)] == [
        "",
        "archived",
        "declared again",
    ]


def test_applying_the_same_again_changes_nothing(engine: Engine) -> None:
    apply(engine, *ALL)
    before = contents(engine)
    again = apply(engine, *ALL)
    assert set(actions(again).values()) == {"unchanged"}
    assert not again.watched
    assert contents(engine) == before


def test_a_changed_slo_is_a_new_version(engine: Engine) -> None:
    apply(engine, *ALL)
    changed = apply(engine, SLO.replace("0.99", "0.95"), note="too strict")
    (step,) = changed.plan.of("change")
    assert "objective: 0.99 -> 0.95" in [str(change) for change in step.changes]
    assert changed.plan.needs_consent
    assert versions(engine) == [(1, "ann", ""), (2, "ann", "too strict")]


def test_a_dry_run_changes_nothing_at_all(engine: Engine) -> None:
    apply(engine, *ALL)
    fire(engine, "slo/support/available")
    before = contents(engine)
    dry = apply(engine, APP.replace("care", "other"), CHANNEL, dry_run=True)
    assert actions(dry)["slo support/available"] == "archive"
    assert contents(engine) == before


def test_keeping_what_is_missing(engine: Engine) -> None:
    apply(engine, *ALL)
    assert not apply(engine, APP, keep_missing=True).plan.has_changes
    with engine.connect() as connection:
        assert len(list_slos(connection)) == 1


def test_what_was_declared_apart_from_its_app_stays(engine: Engine) -> None:
    apply(engine, APP, CHANNEL)
    apply(engine, TASK, SLO)
    assert not apply(engine, APP, CHANNEL).plan.has_changes


def test_declaring_an_slo_apart_takes_it_out_of_its_apps_set(engine: Engine) -> None:
    apply(engine, *ALL)
    apply(engine, SLO)
    kept = apply(engine, APP, CHANNEL, TASK)
    assert "slo support/available" not in actions(kept)


def test_a_channel_stays_while_an_app_uses_it(engine: Engine) -> None:
    apply(engine, *ALL)
    assert actions(apply(engine, APP, TASK, SLO))["channel on-call"] == "keep"
    silent = APP.replace("[on-call]", "[]")
    assert actions(apply(engine, silent, TASK, SLO))["channel on-call"] == "archive"
    with engine.connect() as connection:
        (channel,) = list_held_channels(connection)
    assert channel.is_archived
    assert actions(apply(engine, *ALL))["channel on-call"] == "revive"


def test_a_task_stays_while_an_slo_counts_it(engine: Engine) -> None:
    apply(engine, *ALL)
    assert actions(apply(engine, APP, CHANNEL, SLO))["task support/answer"] == "keep"


def composite(*members: str, name: str = "overall") -> Slo:
    indicator = Indicator(
        "composite", "", "production", members=tuple(Member(each, 1.0) for each in members)
    )
    tiers = standard_catalogue(WINDOW)
    return Slo(name, "support", indicator, 0.99, WINDOW, tiers)


def declare(engine: Engine, slo: Slo) -> None:
    with engine.begin() as connection:
        app = find_app(connection, slo.app)
        assert app is not None
        put_slo(connection, app.id, slo, display_name=slo.name)


@pytest.mark.parametrize(
    ("members", "fault"),
    [(["availble"], "did you mean 'available'"), (["inner"], "is a composite itself")],
)
def test_a_composite_is_made_of_plain_slos_of_its_app(
    engine: Engine, members: list[str], fault: str
) -> None:
    apply(engine, *ALL)
    declare(engine, composite("available", name="inner"))
    apply(engine, *ALL)
    declare(engine, composite(*members))
    with pytest.raises(BrokenCompositeError, match=fault):
        apply(engine, *ALL)


def test_a_part_of_a_composite_stays(engine: Engine) -> None:
    apply(engine, *ALL)
    declare(engine, composite("available"))
    assert actions(apply(engine, APP, CHANNEL))["slo support/available"] == "keep"


def test_what_was_agreed_to_is_carried_out_or_nothing(engine: Engine) -> None:
    shown = apply(engine, *ALL, dry_run=True).plan
    apply(engine, APP, CHANNEL)
    with pytest.raises(PlanOutdatedError):
        apply(engine, *ALL, agreed=shown)
    with engine.connect() as connection:
        assert not list_slos(connection)


def test_two_at_once_go_one_after_the_other(engine: Engine) -> None:
    apply(engine, *ALL)
    targets = ["0.95", "0.96", "0.97", "0.98"]
    start = threading.Barrier(len(targets))

    def run(target: str) -> Applied:
        start.wait(30)
        return apply(engine, SLO.replace("0.99", target))

    with ThreadPoolExecutor(len(targets)) as pool:
        done = list(pool.map(run, targets))
    olds = set()
    for each in done:
        (step,) = each.plan.of("change")
        olds |= {change.old for change in step.changes if change.field == "objective"}
    assert len(olds) == len(targets), "each saw what the one before had left"
    assert [number for number, _, _ in versions(engine)] == [1, 2, 3, 4, 5]


def test_an_evaluation_that_is_under_way_is_waited_for(engine: Engine) -> None:
    apply(engine, *ALL)
    with engine.connect() as connection:
        stored = find_slo(connection, "support", "available")
    assert stored is not None
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as evaluating:
            assert lock_in_force(evaluating, stored.id)
            archiving = pool.submit(apply, engine, APP, CHANNEL)
            wait_for(lambda: waits(engine), what="the apply that archives it")
        assert archiving.result(30).plan.of("archive")
    with engine.begin() as connection:
        assert not lock_in_force(connection, stored.id)


def test_a_lock_that_others_keep_is_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "LONGEST_WAIT_S", 1)
    with engine.begin() as other:
        hold(other, flow.LOCK)
        with pytest.raises(flow.ApplyBusyError, match="Try again"):
            apply(engine, *ALL)


def waits(engine: Engine) -> bool:
    query = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with engine.connect() as connection:
        return bool(connection.scalar(text(query)))
