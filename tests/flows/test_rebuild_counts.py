"""Design rule 3: what is derived can be rebuilt, and is then what it was."""

import math
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from evaluators import registry as evaluator_registry
from service.domain.calls import CallCount, NewSample, Slice
from service.domain.latency import BUCKETS
from service.domain.scores import NewScore, SliSlice, count_by_slice
from service.flows.evaluate_slos import evaluate_slos
from service.flows.rebuild_counts import RebuildBusyError, RebuiltDay, rebuild_counts
from service.flows.score_samples import score_samples
from service.store import tables
from service.store.apps import App
from service.store.rebuilding import Difference, replace
from service.store.scores import insert_scores
from service.store.sli_minutes import add_sli_counts
from service.store.slo_evidence import add_evidence
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
MINUTE = timedelta(minutes=1)
DERIVED = (tables.sli_minutes, tables.sli_totals, tables.call_totals)
NUMBERS = count()


def rebuild(engine: Engine, **options: Any) -> list[RebuiltDay]:
    start = NOW - timedelta(days=3)
    return list(rebuild_counts(engine, now=NOW, **{"start": start, **options}))


def read(engine: Engine, table: Any, app: App) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    key = [column.name for column in table.primary_key.columns]
    sums = [column.name for column in table.columns if not column.primary_key]
    with engine.connect() as connection:
        rows = connection.execute(select(table).where(table.c.app_id == app.id)).mappings()
        return {tuple(row[n] for n in key): tuple(row[n] for n in sums) for row in rows}


def forget(engine: Engine, app: App, *which: Any) -> None:
    with engine.begin() as connection:
        for table in which:
            connection.execute(table.delete().where(table.c.app_id == app.id))


def assert_same(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for key, values in one.items():
        for mine, theirs in zip(values, other[key], strict=True):
            if isinstance(mine, float):
                assert math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=0.0)
            else:
                assert mine == theirs


def score_all(engine: Engine) -> None:
    while score_samples(engine, REGISTRY, clock=lambda: NOW, lease=MINUTE):
        pass


def store_scores(engine: Engine, app: App, new: Sequence[NewScore]) -> None:
    """As a worker does."""
    with engine.begin() as connection:
        insert_scores(connection, app.id, new, now=NOW)
        add_sli_counts(connection, app.id, count_by_slice(new))
        add_evidence(connection, app.id, new)


MINUTES_AGO = st.sampled_from([1, 2, 3, 59, 61, 12 * 60, 12 * 60 + 1, 13 * 60, 40 * 60])
CALLS = st.tuples(
    MINUTES_AGO,
    st.integers(0, 59),
    st.sampled_from(["", "r1"]),
    st.sampled_from(["[Yes]", "[No]"]),
    st.sampled_from([1.0, 0.5, 0.3, 0.07]),
)


def to_sample(call: tuple[int, int, str, str, float]) -> NewSample:
    ago, second, release, response, keep = call
    return a_sample(
        called_at=NOW - ago * MINUTE + timedelta(seconds=second),
        release=release,
        response=response,
        keep_probability=keep,
    )


def to_count(call: tuple[int, int, str, str, float]) -> CallCount:
    ago, second, release, response, keep = call
    outcome = "ok" if response == "[Yes]" else "error"
    key = Slice(NOW - ago * MINUTE, "production", "answer", release, "gpt-4", "", outcome)
    buckets = tuple(int(n == second % 48) for n in range(BUCKETS)) if second % 3 else ()
    return CallCount(key, 1, second, 2, 0.001 * second, latency_counts=buckets, squares=1 / keep)


def by_slice(calls: Sequence[tuple[int, int, str, str, float]]) -> list[CallCount]:
    """One batch names each slice once."""
    return list({each.slice: each for each in map(to_count, calls)}.values())


def rescored(sample: NewSample, number: int) -> NewScore:
    """By a second version, which fails on some and has no rule for others."""
    minute = sample.called_at.replace(second=0)
    of = (sample.release, sample.model, sample.prompt_version)
    key = SliSlice(minute, "production", "answer", *of, "expected_answer", "v2")
    value = None if number % 5 == 0 else number % 7 / 6
    passed = None if value is None or number % 4 == 0 else value > 0.5
    weight = 1 / sample.keep_probability
    return NewScore(sample.sample_id, sample.called_at, key, value, passed, "", "", weight)


@given(
    calls=st.lists(CALLS, min_size=1, max_size=14),
    order=st.randoms(use_true_random=False),
    size=st.integers(1, 5),
)
@settings(max_examples=12, phases=[Phase.generate])
def test_whatever_the_order_of_arrival_the_rebuilt_counts_are_the_incremental_ones(
    engine: Engine, calls: list[tuple[int, int, str, str, float]], order: Any, size: int
) -> None:
    app = declare_app(engine, f"app-{next(NUMBERS)}")
    declare_task(engine, app, PRIME)
    declare_slo(engine, app)
    declare_slo(engine, app, name="available", evaluator=None, objective=0.9)
    samples = [to_sample(call) for call in calls]
    steps = list(range(0, len(calls), size)) * 2  # each batch twice, as retries do
    order.shuffle(steps)
    for start in steps:
        post(engine, app, samples[start : start + size], by_slice(calls[start : start + size]))
        if order.random() < 0.5:
            score_all(engine)
    score_all(engine)
    again = [rescored(sample, number) for number, sample in enumerate(samples)]
    order.shuffle(again)
    for start in range(0, len(again), size):
        store_scores(engine, app, again[start : start + size])
    before = [read(engine, table, app) for table in DERIVED]
    verdicts = evaluate_slos(engine, REGISTRY, now=NOW)
    assert not any(day.differs for day in rebuild(engine, app=app.name, dry_run=True))
    forget(engine, app, *DERIVED)
    assert any(day.differs for day in rebuild(engine, app=app.name))
    for table, rows in zip(DERIVED, before, strict=True):
        assert_same(read(engine, table, app), rows)
    after = evaluate_slos(engine, REGISTRY, now=NOW)
    names = [f"{app.name}/answers-correct", f"{app.name}/available"]
    assert [after[name] for name in names] == [verdicts[name] for name in names]
    assert not any(day.differs for day in rebuild(engine, app=app.name, dry_run=True))


def watched_app(engine: Engine, name: str = "support") -> App:
    """An app with ten scored samples of yesterday and counts of their calls."""
    app = declare_app(engine, name)
    declare_task(engine, app, PRIME)
    declare_slo(engine, app)
    at = NOW - 20 * 60 * MINUTE
    samples = [a_sample(called_at=at + n * MINUTE) for n in range(10)]
    post(engine, app, samples, [a_count(3, minute=at + n * MINUTE) for n in range(10)])
    score_all(engine)
    return app


def run(engine: Engine, statement: str, **parameters: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), parameters)


def found(days: Sequence[RebuiltDay]) -> dict[str, Difference]:
    """What differed in each table."""
    tables = {name for day in days for name in day.differences}
    sums = {name: Difference() for name in tables}
    for day in days:
        for name, difference in day.differences.items():
            sums[name] += difference
    return {name: difference for name, difference in sums.items() if difference}


def test_what_is_wrong_is_told_by_a_dry_run_and_put_right_by_the_next(engine: Engine) -> None:
    app = watched_app(engine)
    tables_ = (*DERIVED, tables.slo_evidence)
    before = [read(engine, table, app) for table in tables_]
    assert found(rebuild(engine)) == {}
    run(engine, "UPDATE sli_minutes SET n = n + 1, w = w + 1 WHERE extract(minute FROM minute) = 3")
    run(engine, "DELETE FROM sli_minutes WHERE extract(minute FROM minute) = 4")
    run(engine, "INSERT INTO sli_minutes SELECT app_id, environment, task, evaluator,"
        " evaluator_version, minute + interval '1 h', release, model, prompt_version, 0, 1, 1, 1,"
        " 1, 1, 0, 0, 0 FROM sli_minutes WHERE extract(minute FROM minute) = 5")  # fmt: skip
    run(engine, "UPDATE call_totals SET minutes_seen = 0 WHERE span = 1")
    run(engine, "UPDATE slo_evidence SET good_n = good_n + 1")
    wrong = found(rebuild(engine, dry_run=True))
    assert wrong["sli_minutes"] == Difference(added=1, changed=1, removed=1)
    assert wrong["call_totals"] == Difference(changed=1)
    assert wrong["slo_evidence"] == Difference(changed=1)
    assert found(rebuild(engine, dry_run=True)) == wrong
    assert found(rebuild(engine)).keys() == wrong.keys()
    assert found(rebuild(engine)) == {}
    for table, rows in zip(tables_, before, strict=True):
        assert_same(read(engine, table, app), rows)


def test_only_the_app_that_is_asked_for_is_rebuilt(engine: Engine) -> None:
    one, two = watched_app(engine, "one"), watched_app(engine, "two")
    forget(engine, one, tables.sli_totals)
    forget(engine, two, tables.sli_totals)
    assert {day.app for day in rebuild(engine, app="one") if day.differs} == {"one"}
    assert read(engine, tables.sli_totals, one)
    assert not read(engine, tables.sli_totals, two)


def test_minutes_whose_samples_are_gone_stay_as_they_are(engine: Engine) -> None:
    app = watched_app(engine)
    before = read(engine, tables.sli_minutes, app)
    run(engine, "DELETE FROM samples")
    days = rebuild(engine)
    assert found(days) == {}
    assert sum(day.torn.minutes for day in days) == 10
    assert sum(day.torn.disagreeing for day in days) == 0
    run(engine, "UPDATE sli_minutes SET bad_n = 1, bad_w = 1, bad_w2 = 1 WHERE n = 1")
    assert sum(day.torn.disagreeing for day in rebuild(engine)) == 10
    run(engine, "DELETE FROM scores")
    assert "sli_minutes" not in found(rebuild(engine))
    assert read(engine, tables.sli_minutes, app).keys() == before.keys()


def test_what_is_scored_meanwhile_is_neither_lost_nor_counted_twice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = watched_app(engine)
    run(engine, "UPDATE sli_minutes SET n = n + 1")
    late = iter([a_sample(called_at=NOW - 20 * 60 * MINUTE + timedelta(seconds=7))])

    def replace_late(connection: Any, derived: Any, span: Any) -> None:
        for sample in late:  # after the comparison, before anything is written
            post(engine, app, [sample])
            score_all(engine)
        replace(connection, derived, span)

    monkeypatch.setattr("service.flows.rebuild_counts.replace", replace_late)
    rebuild(engine)
    rows = read(engine, tables.sli_minutes, app)
    assert sorted(values[1] for values in rows.values()) == [1] * 9 + [2]
    assert found(rebuild(engine, dry_run=True)) == {}


def test_who_is_always_beaten_to_it_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched_app(engine)
    run(engine, "UPDATE sli_minutes SET n = n + 1")

    def replace_after_others(connection: Any, derived: Any, span: Any) -> None:
        run(engine, "UPDATE sli_minutes SET n = n + 1")
        replace(connection, derived, span)

    monkeypatch.setattr("service.flows.rebuild_counts.replace", replace_after_others)
    with pytest.raises(RebuildBusyError, match="Try again later"):
        rebuild(engine)
