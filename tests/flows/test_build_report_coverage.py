"""The weekly report of weeks that one version of the evaluator has not scored alone."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from service.domain.coverage import Coverage
from service.domain.scores import SliCounts, SliSlice
from service.domain.weekly_report import SloReport
from service.flows.build_report import build_report
from service.store.apps import App
from service.store.sli_minutes import add_sli_counts
from service.store.tasks import EvaluatorChoice
from tests.declared import NOW, PRIME, a_sample, declare_task, post
from tests.watched import REGISTRY, STEP, Spell, live_through, watch_app

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)  # of 2026-W47
THIS_MONDAY = MONDAY + timedelta(days=7)
WEEK = timedelta(days=7)
DAY = timedelta(days=1)
SCORED_A_DAY = 5 * 24 * 6
SECOND = EvaluatorChoice("expected_answer", {"pattern": "(.*)"}, None)
THIRD = EvaluatorChoice("expected_answer", {"pattern": "^(.*)$"}, None)


def reported(engine: Engine, week: str = "2026-W47", *, slo: str = "correct") -> SloReport:
    report = build_report(engine, REGISTRY, team="care", week=week, now=NOW)
    (app,) = report.apps
    (found,) = [each for each in app.slos if each.name == slo]
    return found


@pytest.fixture
def app(engine: Engine) -> App:
    return watch_app(engine)


def score(engine: Engine, app: App, start: datetime, end: datetime, *, bad: int = 0) -> None:
    """Five scores every ten minutes, by the version in force."""
    live_through(engine, app, [Spell(start, end, bad=bad)])


def test_a_past_week_is_reported_by_the_one_version_that_scored_it(
    engine: Engine, app: App
) -> None:
    score(engine, app, MONDAY - WEEK, MONDAY)
    score(engine, app, MONDAY, THIS_MONDAY, bad=4)
    then = reported(engine)
    declare_task(engine, app, SECOND)
    score(engine, app, THIS_MONDAY, NOW)
    now = reported(engine)
    assert now.evaluator_version == then.version_in_force != now.version_in_force
    assert (now.attainment, now.held, now.change) == (then.attainment, "no", then.change)
    assert now.change.direction == "worse"
    assert now.budget == then.budget
    assert now.sentence == then.sentence
    assert now.notes == (
        f"This week was scored by version {now.evaluator_version} of the evaluator, and is "
        f"reported by it; it is not the version in force, which is {now.version_in_force}.",
    )


def test_versions_are_not_compared_with_each_other(engine: Engine, app: App) -> None:
    score(engine, app, MONDAY, THIS_MONDAY, bad=4)
    declare_task(engine, app, SECOND)
    score(engine, app, THIS_MONDAY, NOW)
    found = reported(engine, "2026-W48")
    assert found.evaluator_version == found.version_in_force
    assert (found.attainment.good_ratio, found.held) == (1, "yes")
    assert (found.attainment_before.good_ratio, found.change.difference) == (None, None)
    assert found.sentence.endswith(
        "Nothing to compare with: no answer of the week before was scored by the version in force "
        "(scored by other versions of the evaluator: 1,800)."
    )


def test_answers_scored_before_the_version_changed_are_not_called_no_answers(
    engine: Engine, app: App
) -> None:
    score(engine, app, THIS_MONDAY, NOW)
    declare_task(engine, app, SECOND)
    found = reported(engine, "2026-W48")
    assert (found.attainment.good_ratio, found.held) == (None, "cannot tell")
    assert found.sentence.startswith(
        "No data: no answer was scored by the version in force in this week "
        "(scored by other versions of the evaluator: 1,800)."
    )


def test_a_week_of_several_versions_is_given_by_the_one_in_force(engine: Engine, app: App) -> None:
    score(engine, app, MONDAY, MONDAY + DAY, bad=5)
    declare_task(engine, app, SECOND)
    score(engine, app, MONDAY + DAY, MONDAY + 2 * DAY)
    declare_task(engine, app, THIRD)
    score(engine, app, MONDAY + 2 * DAY, MONDAY + 3 * DAY)
    found = reported(engine)
    assert found.evaluator_version == found.version_in_force
    assert (found.attainment.n, found.attainment.good_ratio) == (SCORED_A_DAY, 1)
    assert found.coverage == Coverage(SCORED_A_DAY, by_other_versions=2 * SCORED_A_DAY)
    assert any("1,440 answers of this week were scored by other versions" in n for n in found.notes)


def test_an_objective_does_not_hold_where_most_was_not_seen(engine: Engine, app: App) -> None:
    score(engine, app, MONDAY - 3 * WEEK, MONDAY + 3 * DAY, bad=5)
    declare_task(engine, app, SECOND)
    score(engine, app, MONDAY + 3 * DAY, MONDAY + 4 * DAY)
    found = reported(engine)
    assert found.attainment.interval is not None
    assert found.attainment.interval.lower > found.objective
    assert (found.held, found.coverage.share) == ("cannot tell", 0.25)
    assert found.sentence.startswith(
        "Cannot tell: only 720 of 2,880 answers of this week are counted, 25.0 % "
        "(scored by other versions of the evaluator: 2,160)."
    )
    assert found.budget.spent == 0
    assert found.budget_coverage.share == pytest.approx(1 / 25)
    assert found.notes[-1].startswith(
        "The budget is not that of its whole window: only 720 of 18,000 answers of it are counted"
    )


def test_nine_of_ten_are_enough(engine: Engine, app: App) -> None:
    score(engine, app, MONDAY, MONDAY + STEP)
    declare_task(engine, app, SECOND)
    score(engine, app, MONDAY + STEP, MONDAY + 10 * STEP)
    found = reported(engine)
    assert found.coverage.share == 0.9
    assert found.held == "yes"
    assert "not mixed in" in " ".join(found.notes)


def test_an_uncounted_week_before_leaves_the_change_open(engine: Engine, app: App) -> None:
    score(engine, app, MONDAY - WEEK, MONDAY - DAY)
    declare_task(engine, app, SECOND)
    score(engine, app, MONDAY - DAY, MONDAY)
    score(engine, app, MONDAY, THIS_MONDAY, bad=4)
    found = reported(engine)
    assert found.held == "no"
    assert found.change.interval is not None
    assert found.change.interval.upper < 0
    assert found.change.direction == "cannot tell"
    assert "Cannot tell what changed: only 720 of 5,040 answers of the week" in found.sentence


def test_samples_that_await_their_score_are_counted_by_their_own_time(
    engine: Engine, app: App
) -> None:
    late = [a_sample(called_at=MONDAY + DAY) for _ in range(3)]
    post(engine, app, [*late, *(a_sample(called_at=THIS_MONDAY) for _ in range(5))])
    found = reported(engine)
    assert found.coverage == Coverage(0, awaiting_score=3)
    assert found.sentence.startswith(
        "No data: no answer was scored in this week (awaiting their score: 3)."
    )
    assert found.notes[0] == "Up to 3 samples of this week still await their score."


def test_a_backlog_leaves_open_whether_the_objective_held(engine: Engine, app: App) -> None:
    live_through(engine, app, [Spell(MONDAY, MONDAY + STEP, scored=80)])
    post(engine, app, [a_sample(called_at=MONDAY + DAY) for _ in range(20)])
    found = reported(engine)
    assert (found.held, found.coverage.share) == ("cannot tell", 0.8)
    assert "(awaiting their score: 20)" in found.sentence


def test_what_the_evaluator_failed_on_is_not_forgotten(engine: Engine, app: App) -> None:
    live_through(engine, app, [Spell(MONDAY, MONDAY + STEP, scored=50)])
    version = reported(engine).version_in_force
    assert version is not None
    where = (MONDAY, "production", "answer", "", "gpt-4", "", "expected_answer", version)
    with engine.begin() as connection:
        add_sli_counts(connection, app.id, {SliSlice(*where): SliCounts(failed_n=50)})
    found = reported(engine)
    assert (found.attainment.n, found.held) == (50, "cannot tell")
    assert found.coverage == Coverage(50, evaluator_failed=50)
    assert "(the evaluator failed: 50)" in found.sentence


def test_calls_are_counted_whatever_the_evaluator(engine: Engine, app: App) -> None:
    score(engine, app, MONDAY, THIS_MONDAY)
    declare_task(engine, app, SECOND)
    post(engine, app, [a_sample(called_at=MONDAY) for _ in range(9)])
    found = reported(engine, slo="available")
    assert (found.coverage.share, found.evaluator_version) == (1, None)
    assert found.notes == ()


def test_an_evaluator_that_is_gone_still_reports_the_week_it_scored(
    engine: Engine, app: App
) -> None:
    score(engine, app, MONDAY, THIS_MONDAY + DAY)
    declare_task(engine, app, EvaluatorChoice("gone", {}, None))
    past, current = reported(engine), reported(engine, "2026-W48")
    assert past.attainment.good_ratio == 1
    assert past.version_in_force is None
    assert "no longer declares the evaluator" in past.notes[0]
    assert past.notes[1].startswith(f"This week was scored by version {past.evaluator_version}")
    assert current.attainment.good_ratio is None
    assert "was scored by a version in force" in current.sentence
    assert reported(engine, slo="available").attainment.good_ratio == 1


def test_going_back_to_a_version_counts_what_it_scored(engine: Engine, app: App) -> None:
    score(engine, app, MONDAY, MONDAY + DAY)
    declare_task(engine, app, SECOND)
    score(engine, app, MONDAY + DAY, MONDAY + 2 * DAY, bad=5)
    declare_task(engine, app, PRIME)
    assert reported(engine).attainment.good_ratio == 1
