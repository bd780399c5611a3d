from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Engine, select

from service.domain.bets import weigh_scores
from service.domain.indicators import Filters, Indicator
from service.domain.leak_targets import Target
from service.domain.leak_verdicts import hour_number
from service.domain.scores import NewScore, SliSlice
from service.domain.slow_leaks import History
from service.store import partitions, tables
from service.store.apps import App
from service.store.scores import insert_scores
from service.store.slo_evidence import add_evidence, read_histories, rebuild_evidence
from service.store.slos import find_slo, put_slo
from tests.declared import NOW, a_sample, declare_app, declare_slo, post

HOUR = timedelta(hours=1)
START = NOW - 6 * HOUR


def a_score(at: datetime, *, passed: bool, weight: float = 1.0, **changes: Any) -> NewScore:
    minute = at.replace(second=0, microsecond=0)
    slice_ = SliSlice(
        minute, "production", "answer", "", "gpt-4", "", "expected_answer", "v1"
    )._replace(**changes)
    value = float(passed)
    return NewScore(uuid4(), at, slice_, value, passed, "", "", weight)


def some_scores(count: int = 200) -> list[NewScore]:
    chance = Random(1)
    return [
        a_score(
            START + chance.random() * 5 * HOUR,
            passed=chance.random() < 0.9,
            weight=chance.choice([1.0, 3.7, 1 / 0.3]),
        )
        for _ in range(count)
    ]


@pytest.fixture
def app(engine: Engine) -> App:
    partitions.ensure(engine, [START, NOW])
    return declare_app(engine)


def store(engine: Engine, app: App, scores: Sequence[NewScore]) -> None:
    with engine.begin() as connection:
        insert_scores(connection, app.id, scores, now=NOW)
        add_evidence(connection, app.id, scores)


def target_of(engine: Engine, app: App, name: str = "answers-correct") -> Target:
    with engine.connect() as connection:
        stored = find_slo(connection, app.name, name)
    assert stored is not None
    return Target(stored.id, stored.slo)


def history(engine: Engine, app: App, target: Target, version: str = "v1") -> History | None:
    with engine.connect() as connection:
        read = read_histories(connection, app.id, [(target, version)], start=START, end=NOW + HOUR)
    return read.get(target.slo_id)


def whole(rows: History | None) -> Iterator[Any]:
    """What has to be the same to the last bit: all but sums of weights."""
    assert rows is not None
    return (rows[name].tolist() for name in ("hour", "n", "good_n", "good_weight", "terms"))


def test_what_is_stored_is_what_the_bets_won(engine: Engine, app: App) -> None:
    slo, scores = declare_slo(engine, app), some_scores()
    store(engine, app, scores)
    rows = history(engine, app, target_of(engine, app))
    assert rows is not None
    assert rows["hour"].tolist() == sorted({hour_number(score.called_at) for score in scores})
    for row in rows:
        of_hour = [score for score in scores if hour_number(score.called_at) == row["hour"]]
        values = [float(bool(score.passed)) for score in of_hour]
        expected = weigh_scores(values, [score.weight for score in of_hour], slo.objective)
        assert tuple(row["terms"]) == expected.terms
        for name in ("n", "good_n", "good_weight", "w", "w2", "bad_n", "bad_w", "bad_w2"):
            assert row[name] == pytest.approx(getattr(expected, name))


def test_late_and_reordered_batches_give_the_identical_evidence(engine: Engine, app: App) -> None:
    declare_slo(engine, app)
    other = declare_app(engine, "other")
    declare_slo(engine, other)
    scores = some_scores()
    store(engine, app, scores)
    shuffled = Random(2).sample(scores, len(scores))
    for first in range(0, len(shuffled), 17):
        store(engine, other, shuffled[first : first + 17])
    one = whole(history(engine, app, target_of(engine, app)))
    two = whole(history(engine, other, target_of(engine, other)))
    assert list(one) == list(two)


def test_rebuilt_evidence_is_the_incremental_one(engine: Engine, app: App) -> None:
    declare_slo(engine, app)
    store(engine, app, some_scores())
    target = target_of(engine, app)
    before = list(whole(history(engine, app, target)))
    with engine.begin() as connection:
        hours = rebuild_evidence(connection, app.id, target, start=START, end=NOW)
    assert hours == len(before[0])
    assert list(whole(history(engine, app, target))) == before


def test_scores_of_before_the_slo_are_counted_by_a_rebuild(engine: Engine, app: App) -> None:
    scores = some_scores()
    store(engine, app, scores)
    declare_slo(engine, app)
    target = target_of(engine, app)
    assert history(engine, app, target) is None
    with engine.begin() as connection:
        rebuild_evidence(connection, app.id, target, start=START, end=NOW)
    rows = history(engine, app, target)
    assert rows is not None
    assert rows["n"].sum() == len(scores)


def test_another_objective_never_mixes_with_the_old_one(engine: Engine, app: App) -> None:
    declare_slo(engine, app, objective=0.95)
    store(engine, app, some_scores())
    old = target_of(engine, app)
    declare_slo(engine, app, objective=0.9)
    new = target_of(engine, app)
    assert (new.slo_id, new.version != old.version) == (old.slo_id, True)
    assert history(engine, app, new) is None
    late = a_score(START + HOUR, passed=False)
    store(engine, app, [late])
    rows = history(engine, app, new)
    assert rows is not None
    assert rows["n"].tolist() == [1]
    with engine.begin() as connection:
        rebuild_evidence(connection, app.id, new, start=START, end=NOW)
    assert history(engine, app, old) is None


def test_only_the_scores_of_the_slo_count(engine: Engine, app: App) -> None:
    declare_slo(engine, app)
    others: list[dict[str, str]] = [
        {"environment": "staging"},
        {"task": "other"},
        {"evaluator": "length"},
    ]
    store(engine, app, [a_score(START, passed=False, **each) for each in others])
    unscored = a_score(START, passed=False)
    object.__setattr__(unscored, "passed", None)
    store(engine, app, [unscored])
    assert history(engine, app, target_of(engine, app)) is None
    store(engine, app, [a_score(START, passed=True, evaluator_version="v2")])
    assert history(engine, app, target_of(engine, app)) is None
    assert history(engine, app, target_of(engine, app), "v2") is not None


def test_a_filtered_slo_counts_its_release_and_is_rebuilt_from_samples(
    engine: Engine, app: App
) -> None:
    slo = declare_slo(engine, app)
    filters = Filters(release="7")
    indicator = Indicator("quality", "answer", "production", "expected_answer", filters=filters)
    of_release = type(slo)("of-release", app.name, indicator, 0.95, slo.window, slo.tiers)
    with engine.begin() as connection:
        put_slo(connection, app.id, of_release, display_name="of release")
    scores = []
    for release in ("6", "7", "7"):
        sample = a_sample(called_at=START, release=release)
        post(engine, app, [sample])
        score = a_score(START, passed=False, release=release)
        object.__setattr__(score, "sample_id", sample.sample_id)
        scores.append(score)
    store(engine, app, scores)
    target = target_of(engine, app, "of-release")
    before = list(whole(history(engine, app, target)))
    assert before[1] == [2]
    with engine.begin() as connection:
        rebuild_evidence(connection, app.id, target, start=START, end=NOW)
    assert list(whole(history(engine, app, target))) == before


def test_a_mean_counts_what_scores_lack_of_one(engine: Engine, app: App) -> None:
    slo = declare_slo(engine, app)
    indicator = Indicator("mean", "answer", "production", "expected_answer")
    of_mean = type(slo)("mean", app.name, indicator, 0.9, slo.window, slo.tiers)
    with engine.begin() as connection:
        put_slo(connection, app.id, of_mean, display_name="mean")
    values = (0.75, 1.0, 0.5)
    scores = []
    for value in values:
        score = a_score(START, passed=True)
        object.__setattr__(score, "value", value)
        scores.append(score)
    store(engine, app, scores)
    target = target_of(engine, app, "mean")
    rows = history(engine, app, target)
    assert rows is not None
    assert tuple(rows["terms"][0]) == weigh_scores(values, 1.0, 0.9).terms
    assert (rows["bad_w"][0], rows["good_n"][0]) == (0.75, 1)
    with engine.begin() as connection:
        rebuild_evidence(connection, app.id, target, start=START, end=NOW)
    assert np.array_equal(rows, history(engine, app, target))  # type: ignore[arg-type]


def test_evidence_is_undone_with_its_scores(engine: Engine, app: App) -> None:
    declare_slo(engine, app)
    with engine.connect() as connection:
        add_evidence(connection, app.id, some_scores())
        connection.rollback()
    with engine.connect() as connection:
        assert connection.execute(select(tables.slo_evidence)).all() == []
