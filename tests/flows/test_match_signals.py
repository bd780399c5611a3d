from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, event, select

from service.domain.signals import LOOKED_FOR
from service.flows import match_signals as module
from service.flows.match_signals import match_signals
from service.store import tables
from tests.declared import NOW, a_sample, declare_app, post
from tests.signalled import a_signal, send, stored_signals

HOUR = timedelta(hours=1)


def stored(engine: Engine) -> Row[Any]:
    (signal,) = stored_signals(engine)
    return signal


def test_a_signal_takes_what_is_known_of_its_call(engine: Engine) -> None:
    app = declare_app(engine)
    sample = a_sample(environment="staging", session_id="s-1", user_id="u-1")
    post(engine, app, [sample])
    assert send(engine, app, a_signal(sample)) == 1
    assert match_signals(engine, now=NOW) == 1
    signal = stored(engine)
    assert (signal.called_at, signal.environment, signal.task) == (NOW, "staging", "answer")
    assert (signal.session_id, signal.user_id, signal.look_at) == ("s-1", "u-1", None)


def test_the_session_and_user_that_a_signal_names_stay(engine: Engine) -> None:
    app = declare_app(engine)
    sample = a_sample(session_id="s-1", user_id="u-1")
    post(engine, app, [sample])
    send(engine, app, a_signal(sample, session_id="s-2", user_id="u-2"))
    match_signals(engine, now=NOW)
    assert (stored(engine).session_id, stored(engine).user_id) == ("s-2", "u-2")


def test_a_signal_may_come_before_its_sample(engine: Engine) -> None:
    app = declare_app(engine)
    sample = a_sample()
    send(engine, app, a_signal(sample))
    assert match_signals(engine, now=NOW) == 0
    post(engine, app, [sample])
    assert match_signals(engine, now=NOW + timedelta(seconds=15)) == 1
    assert stored(engine).called_at == NOW


def test_a_signal_may_come_hours_before_its_sample(engine: Engine) -> None:
    app = declare_app(engine)
    sample = a_sample()
    send(engine, app, a_signal(sample))
    now = NOW
    while now < NOW + 20 * HOUR:  # the app's samples wait for the end of an outage
        now += HOUR
        assert match_signals(engine, now=now) == 0
    post(engine, app, [sample], now=now)
    assert match_signals(engine, now=NOW + LOOKED_FOR) == 1


def test_a_signal_may_come_days_after_its_sample(engine: Engine) -> None:
    app = declare_app(engine)
    long_ago = NOW - timedelta(days=20)
    sample = a_sample(called_at=long_ago)
    post(engine, app, [sample])
    send(engine, app, a_signal(sample))
    assert match_signals(engine, now=NOW) == 1
    assert stored(engine).called_at == long_ago


def test_what_never_comes_is_looked_for_no_longer_than_three_days(engine: Engine) -> None:
    app = declare_app(engine)
    send(engine, app, a_signal())
    looks: list[datetime] = []
    while (look_at := stored(engine).look_at) is not None:
        looks.append(look_at)
        assert match_signals(engine, now=look_at) == 0
    assert (looks[0], looks[-1], len(looks)) == (NOW, NOW + LOOKED_FOR, 10)
    assert stored(engine).called_at is None


def test_signals_that_wait_long_are_left_alone_until_their_time(engine: Engine) -> None:
    app = declare_app(engine)
    send(engine, app, *(a_signal() for _ in range(50)))
    match_signals(engine, now=NOW)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
    match_signals(engine, now=NOW + timedelta(seconds=14))
    assert len(asked) == 2, "the apps, and what is due: nothing"


def test_a_signal_that_is_sent_again_is_there_already(engine: Engine) -> None:
    app = declare_app(engine)
    signal = a_signal()
    assert send(engine, app, signal, signal, a_signal()) == 2
    assert send(engine, app, signal) == 0
    assert len(stored_signals(engine)) == 2


def test_the_sample_of_another_app_is_not_taken(engine: Engine) -> None:
    app, other = declare_app(engine), declare_app(engine, "sales")
    sample = a_sample()
    post(engine, other, [sample])
    send(engine, app, a_signal(sample))
    assert match_signals(engine, now=NOW) == 0


def test_one_apps_backlog_does_not_keep_another_one_waiting(
    engine: Engine, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    monkeypatch.setattr(module, "_TURNS", 2)
    busy, quiet = declare_app(engine, "busy"), declare_app(engine, "quiet")
    send(engine, busy, *(a_signal() for _ in range(9)))
    sample = a_sample()
    post(engine, quiet, [sample])
    send(engine, quiet, a_signal(sample))
    assert match_signals(engine, now=NOW) == 1
    due = select(tables.signals).where(tables.signals.c.look_at <= NOW)
    with engine.connect() as connection:
        assert len(connection.execute(due).all()) == 9 - 2 * 2
    for _ in range(2):
        match_signals(engine, now=NOW)
    with engine.connect() as connection:
        assert connection.execute(due).all() == []


def test_signals_that_somebody_holds_are_left_to_the_next_turn(engine: Engine) -> None:
    app = declare_app(engine)
    samples = [a_sample(), a_sample()]
    post(engine, app, samples)
    held, free = (a_signal(sample) for sample in samples)
    send(engine, app, held, free)
    of_held = select(tables.signals).where(tables.signals.c.signal_id == held.signal_id)
    with engine.begin() as other:
        other.execute(of_held.with_for_update())
        assert match_signals(engine, now=NOW) == 1
    assert match_signals(engine, now=NOW) == 1
