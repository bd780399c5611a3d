from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import Connection, Engine, Row, select

from evaluators import registry as evaluator_registry
from service.domain.calls import CallCount, NewSample
from service.domain.corrections import CorrectionScope
from service.domain.leak_verdicts import LeakVerdict
from service.flows.evaluate_slos import evaluate_slos
from service.flows.resolve_incident import resolve_incident
from service.flows.score_samples import score_samples
from service.flows.watch_slow_leaks import watch_slow_leaks
from service.settings import Settings
from service.store import slo_leaks, tables
from service.store.apps import App
from service.store.corrections import add_correction
from service.store.slo_leaks import LeakState, read_leaks
from tests.declared import (
    NOW,
    PRIME,
    a_count,
    a_sample,
    declare_app,
    declare_slo,
    declare_task,
    post,
)

REGISTRY = evaluator_registry.load()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = NOW - timedelta(days=7)
LEAK = NOW - timedelta(days=5)


def answers(start: datetime, hours: int, *, bad: float, per_hour: int = 10) -> Iterator[NewSample]:
    """So many an hour, wrong by chance."""
    chance = Random(start.timestamp())
    for n in range(hours * per_hour):
        response = "[No]" if chance.random() < bad else "[Yes]"
        yield a_sample(called_at=start + n * HOUR / per_hour, response=response)


def live(engine: Engine, app: App, samples: Iterator[NewSample], *, now: datetime) -> None:
    """Post and score them."""
    rows = list(samples)
    for first in range(0, len(rows), 500):
        post(engine, app, rows[first : first + 500], now=now)
    while score_samples(engine, REGISTRY, clock=lambda: now, lease=HOUR):
        pass


def watch(engine: Engine, *, now: datetime) -> LeakVerdict:
    (verdict,) = watch_slow_leaks(engine, REGISTRY, Settings(), now=now).values()
    return verdict


def state(engine: Engine) -> LeakState:
    with engine.connect() as connection:
        (state,) = read_leaks(connection).values()
    return state


def incidents(engine: Engine) -> list[Row[tuple[object, ...]]]:
    with engine.connect() as connection:
        return list(connection.execute(select(tables.incidents).order_by(tables.incidents.c.id)))


def alerts(engine: Engine) -> list[tuple[str, bool]]:
    """Sources, and whether they fire."""
    query = select(tables.alerts.c.source, tables.alerts.c.cleared_at.is_(None))
    with engine.connect() as connection:
        return [(source, fires) for source, fires in connection.execute(query)]


@pytest.fixture
def app(engine: Engine) -> App:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    declare_slo(engine, app, objective=0.9)
    return app


@pytest.fixture
def leaking(engine: Engine, app: App) -> App:
    """Two good days, then five with twice as many bad answers as the budget lasts for."""
    live(engine, app, answers(START, 2 * 24, bad=0.04), now=LEAK)
    live(engine, app, answers(LEAK, 5 * 24, bad=0.2), now=NOW)
    return app


SOURCE = "leak/support/answers-correct"


def test_a_slow_leak_opens_a_ticket_that_explains_itself(engine: Engine, leaking: App) -> None:
    assert watch(engine, now=NOW).status == "firing"
    (incident,) = incidents(engine)
    assert (incident.severity, incident.problem) == ("ticket", "support/production/answer")
    assert incident.title == "support: answers correct leaks its budget slowly"
    found = state(engine)
    assert found.leaking_since is not None
    assert abs(found.leaking_since - LEAK) < DAY
    assert found.e_value > found.threshold
    assert found.alarmed_at == NOW
    assert found.reading["interval"][0] < 0.2 < found.reading["interval"][1]
    for part in ("most likely since 2026-11-20", "did not pass expected_answer", "90.0 %"):
        assert part in incident.summary


def test_it_joins_the_incident_of_a_burn_alert(engine: Engine, leaking: App) -> None:
    live(engine, leaking, answers(NOW, 3, bad=1.0, per_hour=40), now=NOW + 3 * HOUR)
    now = NOW + 3 * HOUR + timedelta(minutes=12)
    evaluate_slos(engine, REGISTRY, now=NOW + 3 * HOUR)
    watch(engine, now=now)
    assert len(incidents(engine)) == 1
    assert sorted(alerts(engine)) == [(SOURCE, True), ("slo/support/answers-correct", True)]


def test_without_a_leak_nothing_is_raised(engine: Engine, app: App) -> None:
    live(engine, app, answers(START, 7 * 24, bad=0.08), now=NOW)
    verdict = watch(engine, now=NOW)
    assert (verdict.status, verdict.alerting) == ("healthy", False)
    assert verdict.sentence.startswith("no sign of a slow leak: evidence ")
    assert incidents(engine) == []


def test_an_hour_is_judged_once(engine: Engine, leaking: App) -> None:
    watch(engine, now=NOW)
    assert watch_slow_leaks(engine, REGISTRY, Settings(), now=NOW + HOUR / 12) == {}
    assert watch_slow_leaks(engine, REGISTRY, Settings(), now=NOW + HOUR / 5) != {}


def test_late_scores_are_a_replay(engine: Engine, app: App) -> None:
    rows = list(answers(START, 7 * 24, bad=0.1))
    on_time = [row for n, row in enumerate(rows) if n % 3]
    live(engine, app, iter(on_time), now=NOW)
    watch(engine, now=NOW)
    live(engine, app, (row for n, row in enumerate(rows) if not n % 3), now=NOW)
    watch(engine, now=NOW + HOUR)
    late = state(engine).e_value
    with engine.begin() as connection:
        connection.execute(tables.slo_leaks.delete())  # as if new: made from the scores again
    watch(engine, now=NOW + HOUR)
    assert state(engine).e_value == late


def test_a_new_slo_knows_the_scores_of_before(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    live(engine, app, answers(START, 2 * 24, bad=0.04), now=LEAK)
    live(engine, app, answers(LEAK, 5 * 24, bad=0.2), now=NOW)
    declare_slo(engine, app, objective=0.9)
    assert watch(engine, now=NOW).status == "firing"


def test_a_mended_leak_clears_its_ticket_and_the_detector_starts_anew(
    engine: Engine, leaking: App
) -> None:
    watch(engine, now=NOW)
    first_hours = NOW + 12 * HOUR
    live(engine, leaking, answers(NOW, 12, bad=0.02), now=first_hours)
    assert watch(engine, now=first_hours).status == "firing"
    assert state(engine).alarmed_at == NOW
    later = NOW + 3 * DAY
    live(engine, leaking, answers(first_hours, 60, bad=0.02), now=later)
    verdict = watch(engine, now=later)
    assert (verdict.status, verdict.alerting) == ("healthy", False)
    (incident,) = incidents(engine)
    assert incident.resolved_by == "watchkeeper"
    assert alerts(engine) == [(SOURCE, False)]
    live(engine, leaking, answers(later, 3, bad=0.02), now=later + 3 * HOUR)
    watch(engine, now=later + 3 * HOUR)
    assert state(engine).hours_seen < 3


def test_silence_clears_nothing(engine: Engine, leaking: App) -> None:
    watch(engine, now=NOW)
    verdict = watch(engine, now=NOW + 3 * DAY)
    assert (verdict.status, verdict.alerting) == ("unknown", True)
    assert verdict.sentence.endswith("the ticket stays open until there is one")
    assert alerts(engine) == [(SOURCE, True)]


def test_who_resolves_it_makes_the_detector_start_anew(engine: Engine, leaking: App) -> None:
    watch(engine, now=NOW)
    (incident,) = incidents(engine)
    resolve_incident(engine, incident.id, by="ada", now=NOW)  # type: ignore[arg-type]
    live(engine, leaking, answers(NOW, 24, bad=0.2), now=NOW + DAY)
    assert not watch(engine, now=NOW + DAY).alerting
    assert len(incidents(engine)) == 1
    live(engine, leaking, answers(NOW + DAY, 5 * 24, bad=0.25), now=NOW + 6 * DAY)
    assert watch(engine, now=NOW + 6 * DAY).status == "firing", "it goes on, so it is told again"
    assert len(incidents(engine)) == 2


def test_calls_leak_too(engine: Engine) -> None:
    app = declare_app(engine)
    declare_slo(engine, app, evaluator=None, objective=0.95)
    assert post_counts(engine, app, START, 2 * 24, failed=1)
    assert post_counts(engine, app, LEAK, 5 * 24, failed=4)
    assert watch(engine, now=NOW).status == "firing"
    (incident,) = incidents(engine)
    assert "476 of 4,760 calls failed, 10.0 % (9." in incident.summary


def post_counts(engine: Engine, app: App, start: datetime, hours: int, *, failed: int) -> bool:
    """Forty calls an hour."""
    counts: list[CallCount] = []
    for n in range(hours):
        counts.append(a_count(40 - failed, minute=start + n * HOUR))
        counts.append(a_count(failed, outcome="error", minute=start + n * HOUR))
    return bool(post(engine, app, (), counts).counts_accepted)


def test_another_objective_is_judged_by_evidence_of_its_own(engine: Engine, leaking: App) -> None:
    assert watch(engine, now=NOW).alerting
    declare_slo(engine, leaking, objective=0.7)
    assert watch(engine, now=NOW).sentence == "the budget lasts again by the calls of the last day"
    assert alerts(engine) == [(SOURCE, False)]
    assert state(engine).e_value < 100


def test_one_slo_that_cannot_be_judged_does_not_blind_the_others(
    engine: Engine, leaking: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_slo(engine, leaking, name="another", objective=0.89)
    put_leak = slo_leaks.put_leak

    def fail_once(connection: Connection, state: LeakState) -> None:
        if "89.0 %" not in state.sentence:
            raise RuntimeError("no")
        put_leak(connection, state)

    monkeypatch.setattr(slo_leaks, "put_leak", fail_once)
    verdicts = watch_slow_leaks(engine, REGISTRY, Settings(), now=NOW)
    assert list(verdicts) == ["support/another"]
    assert alerts(engine) == [("leak/support/another", True)]


def test_hours_that_were_corrected_do_not_count(engine: Engine, leaking: App) -> None:
    with engine.begin() as connection:
        add_correction(
            connection,
            leaking.id,
            CorrectionScope(task="answer"),
            starts_at=LEAK,
            ends_at=NOW,
            reason="a wrong reference",
            author="ada",
            now=NOW,
        )
    assert not watch(engine, now=NOW).alerting


def test_what_is_declared_no_more_clears_its_alert(engine: Engine, leaking: App) -> None:
    watch(engine, now=NOW)
    with engine.begin() as connection:
        connection.execute(tables.slos.update().values(archived_at=NOW))
    assert watch_slow_leaks(engine, REGISTRY, Settings(), now=NOW) == {}
    assert alerts(engine) == [(SOURCE, False)]
    with engine.connect() as connection:
        assert read_leaks(connection) == {}


def test_the_first_days_warm_up(engine: Engine, app: App) -> None:
    live(engine, app, answers(NOW - 2 * HOUR, 2, bad=0.5), now=NOW)
    verdict = watch(engine, now=NOW)
    assert verdict.status == "unknown"
    assert verdict.sentence == (
        "warming up: an hour is judged once the 7 days before it hold 30 good calls"
    )
