from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import Engine, Row, func, select
from structlog.testing import capture_logs

from evaluators import registry as evaluator_registry
from service.domain.calls import CallCount, NewSample
from service.domain.drift.verdict import DriftVerdict
from service.flows.detect_drift import detect_drift
from service.flows.resolve_incident import resolve_incident
from service.flows.score_samples import score_samples
from service.settings import Settings
from service.store import tables
from service.store.apps import App
from service.store.tasks import EvaluatorChoice
from tests.declared import LENGTH, NOW, PRIME, a_count, a_sample, declare_app, declare_task, post

REGISTRY = evaluator_registry.load()
HOUR = timedelta(hours=1)
START = NOW - timedelta(days=10)


def answers(start: datetime, hours: int, *, length: int, per_hour: int = 8) -> Iterator[NewSample]:
    chance = Random(start.timestamp())
    for hour in range(hours):
        for n in range(per_hour):
            at = start + hour * HOUR + n * HOUR / per_hour
            yield a_sample(called_at=at, response="x" * int(chance.gauss(length, length / 5)))


def calls(start: datetime, hours: int) -> list[CallCount]:
    return [a_count(8, minute=start + n * HOUR) for n in range(hours)]


def judge(engine: Engine, *, now: datetime = NOW, scored: bool = True) -> DriftVerdict:
    while scored and score_samples(engine, REGISTRY, clock=lambda: now, lease=HOUR):
        pass
    (verdict,) = detect_drift(engine, REGISTRY, Settings(), now=now).values()
    return verdict


@pytest.fixture
def app(engine: Engine) -> App:
    """Ten days of history; the reference is their first seven."""
    app = declare_app(engine)
    declare_task(engine, app, LENGTH, drift=("length",))
    post(engine, app, answers(START, 9 * 24, length=500), calls(START, 10 * 24))
    return app


def test_answers_that_get_shorter_are_drift_and_open_a_ticket(engine: Engine, app: App) -> None:
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=250))
    verdict = judge(engine)
    assert verdict.status == "firing"
    with engine.connect() as connection:
        incident = connection.execute(select(tables.incidents)).one()
    assert (incident.severity, incident.task) == ("ticket", "answer")
    assert "characters" in incident.summary


def test_answers_that_stay_as_they_were_are_healthy(engine: Engine, app: App) -> None:
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=500))
    assert judge(engine).status == "healthy"
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.incidents)) == 0


def test_too_little_history_is_warming_up(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, LENGTH, drift=("length",))
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=500), calls(NOW - 24 * HOUR, 24))
    verdict = judge(engine)
    assert (verdict.status, verdict.reason) == ("unknown", "warming_up")
    assert verdict.sentence == "length of answer: warming up, 192 of 1000 answers, day 2 of 7."


def test_a_thousand_answers_of_too_few_days_are_warming_up_too(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, LENGTH, drift=("length",))
    start = NOW - 143 * HOUR
    post(engine, app, answers(start, 143, length=500), calls(start, 143))
    assert "warming up, 1000 of 1000 answers, day 6 of 7." in judge(engine).sentence


def the_reference(engine: Engine) -> Row[tuple[object, ...]]:
    with engine.connect() as connection:
        return connection.execute(select(tables.drift_references)).one()


def count_of(engine: Engine, what: object) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(what)) or 0  # type: ignore[call-overload]


PAST = NOW - timedelta(days=28)
REPLAYED = 27 * 24 * 8


def batches_of(rows: Iterable[NewSample], size: int) -> Iterator[list[NewSample]]:
    rows = list(rows)
    return (rows[first : first + size] for first in range(0, len(rows), size))


def test_a_replay_that_drift_is_tested_within_gets_the_same_reference_as_one_in_one_go(
    engine: Engine,
) -> None:
    app = declare_app(engine)
    declare_task(engine, app, LENGTH, drift=("length",))
    post(engine, app, (), calls(PAST, 28 * 24))
    verdicts = []
    for batch in batches_of(answers(PAST, 27 * 24, length=500), 450):
        post(engine, app, batch)
        verdicts.append(judge(engine))
    # 1000 answers are five days, but the reference waits for its seventh to be over: 1344.
    assert [verdict.status for verdict in verdicts[:3]] == ["unknown"] * 3
    assert verdicts[1].sentence.endswith("warming up, 900 of 1000 answers, day 7 of 7.")
    assert verdicts[2].sentence.endswith(
        "day 7 of 7; no call since 2026-11-04 13:00 UTC is scored yet."
    )
    assert verdicts[-1].status == "healthy"
    reference = the_reference(engine)
    assert (reference.starts_at, reference.ends_at) == (PAST, PAST + timedelta(days=7))
    assert sum(reference.bins["n"]) == 7 * 24 * 8
    assert count_of(engine, func.sum(tables.drift_counts.c.n)) == REPLAYED - 7 * 24 * 8


def test_a_reference_is_not_built_while_calls_of_its_days_are_still_to_be_scored(
    engine: Engine,
) -> None:
    app = declare_app(engine)
    declare_task(engine, app, LENGTH, drift=("length",))
    post(engine, app, answers(PAST, 27 * 24, length=500), calls(PAST, 28 * 24))
    verdicts = []
    while score_samples(engine, REGISTRY, clock=lambda: NOW, lease=HOUR):
        verdicts.append(judge(engine, scored=False))
    waiting = "day 7 of 7; calls of these days are still to be scored."
    assert any(verdict.sentence.endswith(waiting) for verdict in verdicts)
    assert verdicts[-1].status == "healthy"
    reference = the_reference(engine)
    assert (reference.starts_at, sum(reference.bins["n"])) == (PAST, 7 * 24 * 8)
    assert count_of(engine, func.sum(tables.drift_counts.c.n)) == REPLAYED - 7 * 24 * 8


def test_counts_are_the_same_whether_scored_before_or_after_the_reference_was_built(
    engine: Engine, app: App
) -> None:
    judge(engine)  # builds the reference and counts what is there
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=500))  # counted as it is scored
    judge(engine)
    with engine.connect() as connection:
        reference = connection.execute(select(tables.drift_references)).one()
        counted = connection.scalar(select(func.sum(tables.drift_counts.c.n)))
        after = tables.scores.c.called_at >= reference.ends_at
        scored = connection.scalar(select(func.count()).where(after))
    assert (reference.starts_at, reference.ends_at) == (START, START + timedelta(days=7))
    assert counted == scored == 3 * 24 * 8


def test_a_late_call_within_the_reference_changes_nothing(engine: Engine, app: App) -> None:
    before = judge(engine)
    post(engine, app, [a_sample(called_at=START + HOUR, response="late")])
    with capture_logs() as logs:
        assert judge(engine) == before
    (said,) = [line for line in logs if line["event"] == "drift_scores_too_late_for_reference"]
    assert said["scores"] == 1


def test_drift_that_ended_resolves_its_incident_a_day_later(engine: Engine, app: App) -> None:
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=250))
    assert judge(engine).status == "firing"
    later = NOW + 30 * HOUR
    post(engine, app, answers(NOW, 30, length=500), calls(NOW, 30), now=later)
    assert judge(engine, now=later).status == "healthy"
    with engine.connect() as connection:
        incident = connection.execute(select(tables.incidents)).one()
    assert incident.resolved_by == "watchkeeper"


def incidents_of(engine: Engine) -> list[tuple[str | None, bool]]:
    """Who resolved each incident, and whether its alert was cleared."""
    query = select(tables.incidents.c.resolved_by, tables.alerts.c.cleared_at.is_not(None))
    with engine.connect() as connection:
        rows = connection.execute(query.join_from(tables.incidents, tables.alerts))
        return [(by, cleared) for by, cleared in rows]


def graded(start: datetime, hours: int, *, passing: float) -> Iterator[NewSample]:
    chance = Random(start.timestamp())
    for n in range(hours * 8):
        response = "[Yes]" if chance.random() < passing else "[No]"
        yield a_sample(called_at=start + n * HOUR / 8, response=response)


EDITED = EvaluatorChoice("expected_answer", {"pattern": r"\[(Yes|No)\]"}, None)


@pytest.fixture
def fallen(engine: Engine) -> App:
    """Nine good days, then one on which every second answer is wrong; a ticket is open."""
    app = declare_app(engine)
    declare_task(engine, app, PRIME, drift=("expected_answer",))
    post(engine, app, graded(START, 9 * 24, passing=0.9), calls(START, 10 * 24))
    post(engine, app, graded(NOW - 24 * HOUR, 24, passing=0.5))
    assert judge(engine).status == "firing"
    return app


def live_on(engine: Engine, app: App, start: datetime, days: int, *, passing: float) -> datetime:
    """More days, drift tested at the end of each; returns the last one's."""
    for day in range(1, days + 1):
        end = start + timedelta(days=day)
        rows = graded(end - timedelta(days=1), 24, passing=passing)
        post(engine, app, rows, calls(end - timedelta(days=1), 24), now=end)
        judge(engine, now=end)
    return end


def test_a_new_version_of_the_evaluator_does_not_take_the_bad_days_for_normal(
    engine: Engine, fallen: App
) -> None:
    declare_task(engine, fallen, EDITED, drift=("expected_answer",))
    later = live_on(engine, fallen, NOW, 9, passing=0.5)
    verdict = judge(engine, now=later)
    assert (verdict.status, verdict.reason) == ("unknown", "warming_up")
    assert verdict.sentence.endswith(
        "an incident on an earlier version is open: resolve it to start a new reference."
    )
    assert incidents_of(engine) == [(None, False)]
    assert count_of(engine, func.count(tables.drift_references.c.id)) == 1

    (incident_id,) = [count_of(engine, tables.incidents.c.id)]
    resolve_incident(engine, incident_id, by="ada", now=later)
    assert judge(engine, now=later).status == "healthy"
    assert count_of(engine, func.count(tables.drift_references.c.id)) == 2
    assert incidents_of(engine) == [("ada", True)]


def test_only_the_version_that_raised_an_alarm_clears_it(engine: Engine) -> None:
    app = declare_app(engine)
    declare_task(engine, app, EDITED, drift=("expected_answer",))
    start = NOW - timedelta(days=20)
    post(engine, app, graded(start, 9 * 24, passing=0.9), calls(start, 9 * 24))
    judge(engine, now=start + timedelta(days=9))  # this version has a reference of its own
    declare_task(engine, app, PRIME, drift=("expected_answer",))
    post(engine, app, graded(START, 9 * 24, passing=0.9), calls(START, 10 * 24))
    post(engine, app, graded(NOW - 24 * HOUR, 24, passing=0.5))
    assert judge(engine).status == "firing"

    declare_task(engine, app, EDITED, drift=("expected_answer",))
    later = live_on(engine, app, NOW, 2, passing=0.9)
    assert judge(engine, now=later).status == "healthy"
    assert incidents_of(engine) == [(None, False)]

    declare_task(engine, app, PRIME, drift=("expected_answer",))
    later = live_on(engine, app, later, 2, passing=0.9)
    assert judge(engine, now=later).status == "healthy"
    assert incidents_of(engine) == [("watchkeeper", True)]


def test_what_is_no_longer_watched_clears_its_alert_and_leaves_the_pages(
    engine: Engine, fallen: App
) -> None:
    declare_task(engine, fallen, PRIME, drift=())
    assert detect_drift(engine, REGISTRY, Settings(), now=NOW + HOUR) == {}
    assert incidents_of(engine) == [("watchkeeper", True)]
    with engine.connect() as connection:
        assert connection.execute(select(tables.drift_states)).all() == []
        cleared = tables.incident_events.c.kind == "alert_cleared"
        text = connection.scalar(select(tables.incident_events.c.text).where(cleared))
    assert text == "no longer watched"


def test_a_task_that_is_merely_silent_keeps_its_alert(engine: Engine, fallen: App) -> None:
    assert detect_drift(engine, REGISTRY, Settings(), now=NOW + timedelta(days=20)) == {}
    assert incidents_of(engine) == [(None, False)]
    assert count_of(engine, func.count(tables.drift_states.c.task)) == 1


def test_an_alarm_that_vanishes_with_the_rest_of_its_hour_still_lasts_a_day(
    engine: Engine, app: App
) -> None:
    post(engine, app, answers(NOW - 24 * HOUR, 24, length=500))
    assert judge(engine).status == "healthy"
    short = [a_sample(called_at=NOW, response="x" * 250) for _ in range(30)]
    post(engine, app, short, [a_count(30, minute=NOW)])
    assert judge(engine, now=NOW).status == "firing"
    rest = [
        sample._replace(called_at=NOW + HOUR / 2)
        for sample in answers(NOW, 1, length=500, per_hour=1000)
    ]
    at = NOW + HOUR * 0.9
    post(engine, app, rest, now=at)
    held = judge(engine, now=at)
    assert (held.status, held.alarmed_at) == ("firing", NOW)
    assert held.e_value is not None
    assert held.e_value < held.threshold, "the whole hour is no alarm"
    assert count_of(engine, tables.drift_states.c.evaluated_at) == at

    for days, status, resolved_by in ((1, "firing", None), (2, "healthy", "watchkeeper")):
        later = NOW + timedelta(days=days) + HOUR / 2
        start = NOW + timedelta(days=days - 1) + HOUR
        post(engine, app, answers(start, 24, length=500), calls(start, 24), now=later)
        assert judge(engine, now=later).status == status
        assert [by for by, _ in incidents_of(engine)] == [resolved_by]
