from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Row, select

from service.domain.calls import NewSample
from service.domain.sessions import IDLE, Abandonments
from service.flows import close_sessions as module
from service.flows.close_sessions import close_sessions
from service.flows.match_signals import match_signals
from service.store import tables
from service.store.apps import App
from service.store.sessions import read_abandonments, touch_sessions
from tests.declared import NOW, a_sample, declare_app, post
from tests.signalled import a_signal, send, stored_signals

MINUTE = timedelta(minutes=1)
OVER = NOW + IDLE


def touch(engine: Engine, app: App, *samples: NewSample, now: datetime = NOW) -> None:
    """As an ingestion does that has stored these samples."""
    with engine.begin() as connection:
        touch_sessions(connection, app.id, samples, now=now)


def rows_of(engine: Engine, table: Any) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def call(minute: int = 0, **changes: Any) -> NewSample:
    return a_sample(**{"session_id": "s-1", "called_at": NOW + minute * MINUTE, **changes})


def closed(engine: Engine) -> Row[Any]:
    (session,) = rows_of(engine, tables.sessions)
    return session


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_session_follows_its_calls_in_whatever_order_they_come(
    engine: Engine, order: Iterable[int]
) -> None:
    app = declare_app(engine)
    calls = [
        call(0, user_id="u-1", keep_probability=0.5),
        call(1, outcome="error", keep_probability=0.25),
        call(2, task="summarise", keep_probability=0.5),
    ]
    for number in order:
        touch(engine, app, calls[number])
    (session,) = rows_of(engine, tables.open_sessions)
    assert (session.started_at, session.last_called_at) == (NOW, NOW + 2 * MINUTE)
    assert (session.calls, session.keep_probability, session.user_id) == (3, 0.25, "u-1")
    assert (session.last_sample_id, session.last_outcome) == (calls[2].sample_id, "ok")
    assert session.task == "summarise"


def test_a_session_is_closed_when_it_has_been_idle_for_long(engine: Engine) -> None:
    app = declare_app(engine)
    last = call(1)
    touch(engine, app, call(0), last, now=NOW + MINUTE)
    assert close_sessions(engine, now=OVER) == 0
    assert close_sessions(engine, now=OVER + MINUTE) == 1
    session = closed(engine)
    assert (session.started_at, session.ended_at, session.calls) == (NOW, NOW + MINUTE, 2)
    assert (session.last_sample_id, session.abandonment) == (last.sample_id, None)
    assert session.closed_at == OVER + MINUTE
    assert rows_of(engine, tables.open_sessions) == []


def test_calls_that_come_in_late_are_idle_when_no_more_of_them_come(engine: Engine) -> None:
    app = declare_app(engine)
    touch(engine, app, call(-3000), now=NOW)
    touch(engine, app, call(-2999), now=NOW + MINUTE)
    assert close_sessions(engine, now=OVER) == 0
    assert close_sessions(engine, now=OVER + MINUTE) == 1
    assert closed(engine).calls == 2


def test_a_call_after_that_opens_a_new_stretch_of_the_same_session(engine: Engine) -> None:
    app = declare_app(engine)
    touch(engine, app, call(0))
    close_sessions(engine, now=OVER)
    touch(engine, app, call(45), now=NOW + 45 * MINUTE)
    close_sessions(engine, now=NOW + 45 * MINUTE + IDLE)
    first, second = rows_of(engine, tables.sessions)
    assert first.session_id == second.session_id
    assert (first.ended_at, second.started_at) == (NOW, NOW + 45 * MINUTE)


def test_a_late_call_of_the_same_instant_joins_the_stretch_that_is_closed(engine: Engine) -> None:
    app = declare_app(engine)
    touch(engine, app, call(0))
    close_sessions(engine, now=OVER)
    touch(engine, app, call(0), now=OVER)
    close_sessions(engine, now=OVER + IDLE)
    assert closed(engine).calls == 2


def test_apps_and_environments_have_sessions_of_their_own(engine: Engine) -> None:
    app, other = declare_app(engine), declare_app(engine, "sales")
    touch(engine, app, call(), call(environment="staging"))
    touch(engine, other, call())
    assert close_sessions(engine, now=OVER) == 3
    assert [(row.app_id, row.environment) for row in rows_of(engine, tables.sessions)] == [
        (app.id, "production"),
        (app.id, "staging"),
        (other.id, "production"),
    ]


def test_an_abandonment_that_is_derived_is_a_signal_like_any_other(engine: Engine) -> None:
    app = declare_app(engine)
    failed = call(outcome="error", user_id="u-1")
    post(engine, app, [failed])
    touch(engine, app, failed)
    close_sessions(engine, now=OVER)
    assert closed(engine).abandonment == "failed"
    match_signals(engine, now=OVER)
    (signal,) = stored_signals(engine)
    assert (signal.kind, signal.is_derived, signal.text) == ("abandoned", True, "failed")
    assert (signal.called_at, signal.signalled_at, signal.task) == (NOW, NOW, "answer")
    assert (signal.session_id, signal.user_id) == ("s-1", "u-1")


def test_what_the_user_did_with_the_last_answer_decides(engine: Engine) -> None:
    app = declare_app(engine)
    first, last = call(0), call(1)
    touch(engine, app, first, last, now=NOW + MINUTE)
    touch(engine, app, liked := call(session_id="s-2"))
    touch(engine, app, left := call(session_id="s-3"))
    send(
        engine,
        app,
        a_signal(first, signalled_at=NOW + MINUTE / 2),  # and then they asked again
        a_signal(last, kind="regenerated", value=None, signalled_at=NOW + 2 * MINUTE),
        a_signal(liked, value=1.0),
        a_signal(left, kind="abandoned", value=None),
    )
    close_sessions(engine, now=OVER + MINUTE)
    endings = {row.session_id: row.abandonment for row in rows_of(engine, tables.sessions)}
    assert endings == {"s-1": "rejected", "s-2": None, "s-3": "signalled"}
    derived = [row for row in stored_signals(engine) if row.is_derived]
    assert [row.sample_id for row in derived] == [last.sample_id]


def test_a_rejection_that_was_followed_by_another_question_is_no_abandonment(
    engine: Engine,
) -> None:
    app = declare_app(engine)
    rejected = call(0)
    touch(engine, app, rejected, call(1), now=NOW + MINUTE)
    send(engine, app, a_signal(rejected))
    close_sessions(engine, now=OVER + MINUTE)
    assert closed(engine).abandonment is None


def test_the_rate_of_abandonment_weighs_sessions_by_how_rarely_they_are_kept(
    engine: Engine,
) -> None:
    app = declare_app(engine)
    for number in range(6):
        rare = {"keep_probability": 0.1} if number < 2 else {}
        outcome = "error" if number == 0 else "ok"
        touch(engine, app, call(session_id=f"s-{number}", outcome=outcome, **rare))
    close_sessions(engine, now=OVER)
    with engine.connect() as connection:
        (found,) = read_abandonments(connection, [app.id], start=NOW, end=NOW + MINUTE)
        assert read_abandonments(connection, [app.id], start=NOW + MINUTE, end=OVER) == []
    assert isinstance(found, Abandonments)
    assert (found.app_id, found.environment, found.task) == (app.id, "production", "answer")
    assert (found.tally.n, found.tally.bad_n) == (6, 1)
    assert found.tally.bad_ratio == pytest.approx(10 / 24)
    assert found.tally.lower_bound() < 1 / 6 < found.tally.upper_bound()


def test_more_sessions_than_one_transaction_takes_are_all_closed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    app = declare_app(engine)
    touch(engine, app, *(call(session_id=f"s-{number}") for number in range(8)))
    assert close_sessions(engine, now=OVER) == 8
    assert len(rows_of(engine, tables.sessions)) == 8


def test_writers_that_touch_the_same_sessions_neither_block_for_ever_nor_lose_a_call(
    engine: Engine,
) -> None:
    app = declare_app(engine)
    names = [f"s-{number}" for number in range(40)]

    def write(turn: int) -> None:
        order = names if turn % 2 else names[::-1]
        for _ in range(5):
            touch(engine, app, *(call(session_id=name) for name in order))

    def close(_: int) -> None:
        for _ in range(10):
            close_sessions(engine, now=OVER)

    with ThreadPoolExecutor(4) as pool:
        for done in [*pool.map(write, range(4), timeout=60), *pool.map(close, range(2))]:
            assert done is None
        running = [pool.submit(write, turn) for turn in range(2)]
        running += [pool.submit(close, turn) for turn in range(2)]
        for each in running:
            each.result(60)
    close_sessions(engine, now=OVER)
    assert sum(row.calls for row in rows_of(engine, tables.sessions)) == 40 * 5 * 6
