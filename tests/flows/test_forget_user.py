from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Row, select
from structlog.testing import capture_logs

from evaluators import registry
from service.domain.calls import NewSample
from service.domain.erasure import Forgotten, UnusableUserIdError
from service.domain.scores import NewScore, SliSlice, count_by_slice
from service.flows.close_sessions import close_sessions
from service.flows.forget_user import forget_user
from service.flows.score_samples import score_samples
from service.store import erasure, partitions, tables
from service.store.apps import App
from service.store.scores import insert_scores
from service.store.sessions import touch_sessions
from service.store.sli_minutes import add_sli_counts
from tests.declared import NOW, PRIME, a_sample, declare_app, declare_task, post
from tests.signalled import a_signal, send, stored_signals

USER = "user-4711"
DAY = timedelta(days=1)
LEASE = timedelta(seconds=60)
REGISTRY = registry.load()


def rows_of(engine: Engine, table: Any) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def explain(engine: Engine, app: App, *samples: NewSample) -> None:
    """Score samples with words about them."""
    new = [_score_of(sample) for sample in samples]
    partitions.ensure(engine, {score.called_at for score in new})
    with engine.begin() as connection:
        insert_scores(connection, app.id, new, now=NOW)
        add_sli_counts(connection, app.id, count_by_slice(new))


def _score_of(sample: NewSample) -> NewScore:
    minute = sample.called_at.replace(second=0, microsecond=0)
    where = SliSlice(minute, "production", "answer", "", "gpt-4", "", "judge", "1")
    key = (sample.sample_id, sample.called_at)
    return NewScore(*key, where, 0.0, False, "off_topic", "speaks of primes", weight=1.0)


def score_all(engine: Engine) -> None:
    while score_samples(engine, REGISTRY, clock=lambda: NOW, lease=LEASE):
        pass


@pytest.fixture
def app(engine: Engine) -> App:
    app = declare_app(engine)
    declare_task(engine, app, PRIME)
    return app


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_AT_ONCE", 3)


def test_everything_of_the_user_goes_and_nothing_of_others(engine: Engine, app: App) -> None:
    mine = [a_sample(user_id=USER, called_at=NOW - day * DAY) for day in range(0, 30, 3)]
    theirs = [a_sample(user_id="other", called_at=NOW - day * DAY) for day in range(30)]
    post(engine, app, [*mine, *theirs, a_sample()])
    send(engine, app, *(a_signal(sample, signalled_at=NOW - DAY) for sample in mine[:4]))
    send(engine, app, a_signal(user_id=USER), kept := a_signal(theirs[0], user_id="other"))
    result = forget_user(engine, app, USER, now=NOW)
    assert result == Forgotten(samples=10, sessions=0, signals=5, scores=0)
    assert {row.user_id for row in rows_of(engine, tables.samples)} == {"other", None}
    assert len(rows_of(engine, tables.samples)) == 31
    assert [row.signal_id for row in stored_signals(engine)] == [kept.signal_id]
    assert forget_user(engine, app, USER, now=NOW) == Forgotten()


def test_sessions_go_whether_they_are_over_or_not(engine: Engine, app: App) -> None:
    ended = [
        a_sample(user_id=user, session_id=f"{user}-{day}", called_at=NOW - day * DAY)
        for day in range(1, 5)
        for user in (USER, "other")
    ]
    running = [
        a_sample(user_id=user, session_id=f"{user}-now", outcome="error") for user in (USER, "o")
    ]
    with engine.begin() as connection:
        touch_sessions(connection, app.id, ended, now=NOW - DAY)
    close_sessions(engine, now=NOW)
    with engine.begin() as connection:
        touch_sessions(connection, app.id, running, now=NOW)
    assert forget_user(engine, app, USER, now=NOW) == Forgotten(sessions=5)
    assert {row.user_id for row in rows_of(engine, tables.sessions)} == {"other"}
    assert {row.user_id for row in rows_of(engine, tables.open_sessions)} == {"o"}


def test_scores_keep_their_numbers_and_lose_their_words(engine: Engine, app: App) -> None:
    mine, other = a_sample(user_id=USER), a_sample(user_id="other")
    post(engine, app, [mine, other])
    explain(engine, app, mine, other)
    counts = rows_of(engine, tables.sli_minutes)
    assert forget_user(engine, app, USER, now=NOW).scores == 1
    explanations = {row.sample_id: row.explanation for row in rows_of(engine, tables.scores)}
    assert explanations == {mine.sample_id: "", other.sample_id: "speaks of primes"}
    assert {(row.value, row.label) for row in rows_of(engine, tables.scores)} == {
        (0.0, "off_topic")
    }
    assert rows_of(engine, tables.sli_minutes) == counts


def test_the_user_of_another_app_is_somebody_else(engine: Engine, app: App) -> None:
    other = declare_app(engine, "sales")
    post(engine, other, [a_sample(user_id=USER)])
    assert forget_user(engine, app, USER, now=NOW) == Forgotten()
    assert len(rows_of(engine, tables.samples)) == 1


def test_a_job_that_waits_for_the_samples_ends_quietly(engine: Engine, app: App) -> None:
    post(engine, app, [a_sample(user_id=USER)])
    post(engine, app, [a_sample(user_id=USER), a_sample(user_id="other")])
    forget_user(engine, app, USER, now=NOW)
    score_all(engine)
    assert rows_of(engine, tables.scoring_jobs) == []
    assert len(rows_of(engine, tables.scores)) == 1


def test_a_worker_that_has_read_the_samples_already_writes_no_score_of_them(
    engine: Engine, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(engine, app, [a_sample(user_id=USER), a_sample(user_id="other")])
    forgotten: list[Forgotten] = []
    meanwhile(monkeypatch, lambda: forgotten.append(forget_user(engine, app, USER, now=NOW)))
    score_all(engine)
    assert forgotten == [Forgotten(samples=1)]
    (other,) = rows_of(engine, tables.samples)
    assert [row.sample_id for row in rows_of(engine, tables.scores)] == [other.sample_id]
    assert rows_of(engine, tables.scoring_jobs) == []


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let this happen once, between a worker's reading and its writing."""
    from service.flows import score_samples as module

    build, left = module.build_evaluators, [act]

    def build_later(*arguments: Any) -> Any:
        if left:
            left.pop()()
        return build(*arguments)

    monkeypatch.setattr(module, "build_evaluators", build_later)


def test_what_comes_in_later_is_stored_until_it_is_asked_again(engine: Engine, app: App) -> None:
    forget_user(engine, app, USER, now=NOW)
    post(engine, app, [a_sample(user_id=USER)])
    assert forget_user(engine, app, USER, now=NOW) == Forgotten(samples=1)


def test_two_at_once_and_ingestion_beside_them_do_not_stand_in_each_others_way(
    engine: Engine, app: App
) -> None:
    samples = [a_sample(user_id=USER, called_at=NOW - DAY * (n % 20)) for n in range(100)]
    post(engine, app, samples)
    send(engine, app, *(a_signal(sample) for sample in samples))
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(forget_user, engine, app, USER, now=NOW) for _ in range(2)]
        for _ in range(10):
            post(engine, app, [a_sample(user_id="other")])
        results = [each.result(60) for each in running]
    assert results[0] + results[1] == Forgotten(samples=100, signals=100)
    assert {row.user_id for row in rows_of(engine, tables.samples)} == {"other"}


def test_the_log_says_that_it_was_done_and_not_of_whom(engine: Engine, app: App) -> None:
    post(engine, app, [a_sample(user_id=USER)])
    with capture_logs() as logged:
        forget_user(engine, app, USER, now=NOW)
    (line,) = logged
    assert (line["event"], line["app"], line["samples"]) == ("user_forgotten", "support", 1)
    assert USER not in str(line)


@pytest.mark.parametrize("user_id", ["", "a\0b", "\ud800"])
def test_an_id_that_nobody_can_have_is_refused(engine: Engine, app: App, user_id: str) -> None:
    with pytest.raises(UnusableUserIdError, match="as the app sends it"):
        forget_user(engine, app, user_id, now=NOW)
