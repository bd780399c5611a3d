"""Evaluations and their calls come on two ways; neither has to be the first."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select

from service.domain.calls import Batch, NewSample
from service.domain.scores import ReportedScore
from service.flows import match_reported_scores as module
from service.flows.forget_user import forget_user
from service.flows.ingest_batches import Post, ingest_batches
from service.flows.match_reported_scores import AWAITED_FOR, match_reported_scores
from service.store import tables
from service.store.apps import App
from service.store.reported_scores import find_calls
from tests.declared import NOW, RETENTION, a_sample, declare_app, post


def report(engine: Engine, app: App, *samples: NewSample) -> None:
    scores = tuple(ReportedScore(sample.sample_id, "faithful", 0.2, "", "") for sample in samples)
    (outcome,) = ingest_batches(
        engine,
        [Post(0, app, Batch(uuid4(), scores=scores))],
        now=NOW,
        retention_of=lambda _app: RETENTION,
    )
    assert not isinstance(outcome, Exception)


def rows(engine: Engine, table: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table)))


def test_a_score_that_comes_before_its_call_waits_for_it(engine: Engine) -> None:
    app, sample = declare_app(engine), a_sample(keep_probability=0.5)
    report(engine, app, sample)
    assert match_reported_scores(engine, now=NOW) == 0
    post(engine, app, [sample])
    assert rows(engine, tables.scores) == []
    assert match_reported_scores(engine, now=NOW) == 1
    (minute,) = rows(engine, tables.sli_minutes)
    assert (minute.n, minute.bad_n, minute.w) == (1, 1, 2.0)
    assert rows(engine, tables.awaited_scores) == []
    assert match_reported_scores(engine, now=NOW) == 0


def test_a_score_that_comes_after_its_call_is_stored_with_it(engine: Engine) -> None:
    app, sample = declare_app(engine), a_sample()
    post(engine, app, [sample])
    report(engine, app, sample)
    report(engine, app, sample)
    (minute,) = rows(engine, tables.sli_minutes)
    assert minute.n == 1
    assert rows(engine, tables.awaited_scores) == []


def test_a_score_is_found_by_its_own_app_only(engine: Engine) -> None:
    sample = a_sample()
    post(engine, declare_app(engine, "other"), [sample])
    report(engine, declare_app(engine), sample)
    assert match_reported_scores(engine, now=NOW) == 0
    assert rows(engine, tables.scores) == []


def test_a_score_that_waits_for_a_sample_of_a_forgotten_user_is_removed_with_it(
    engine: Engine,
) -> None:
    app, sample, other = declare_app(engine), a_sample(user_id="u-1"), a_sample(user_id="u-2")
    report(engine, app, sample, other)
    post(engine, app, [sample, other])
    forget_user(engine, app, "u-1", now=NOW)
    assert match_reported_scores(engine, now=NOW) == 1
    (score,) = rows(engine, tables.scores)
    assert score.sample_id == other.sample_id


def test_a_user_who_is_forgotten_while_a_score_finds_its_call_takes_it_along(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, sample = declare_app(engine), a_sample(user_id="u-1")
    report(engine, app, sample)
    post(engine, app, [sample])

    def find_then_forget(*arguments: Any) -> Any:
        found = find_calls(*arguments)
        forget_user(engine, app, "u-1", now=NOW)
        return found

    monkeypatch.setattr(module, "find_calls", find_then_forget)
    assert match_reported_scores(engine, now=NOW) == 0
    assert rows(engine, tables.scores) == []
    assert rows(engine, tables.sli_minutes) == []


def test_a_call_that_never_comes_is_not_awaited_for_ever(engine: Engine) -> None:
    app, sample = declare_app(engine), a_sample()
    report(engine, app, sample)
    match_reported_scores(engine, now=NOW + AWAITED_FOR)
    assert len(rows(engine, tables.awaited_scores)) == 1
    match_reported_scores(engine, now=NOW + AWAITED_FOR + timedelta(seconds=1))
    assert rows(engine, tables.awaited_scores) == []
