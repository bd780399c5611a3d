"""From a signal to the bad calls of an SLO, through the flows that bring both in."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text

from evaluators.registry import load
from service.domain.calls import CallCount, NewSample
from service.domain.indicators import Filters, Indicator
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.flows.evaluate_slos import evaluate_slos
from service.flows.match_signals import match_signals
from service.store import tables
from service.store.apps import App
from service.store.breakdowns import read_tallies_by_step, read_tally_by_version
from service.store.measured import Measured
from service.store.readings import Wanted, read_slos, read_tally
from service.store.signals import note_looks
from service.store.slos import put_slo
from tests.declared import NOW, a_count, a_sample, declare_app, declare_slo, post
from tests.signalled import a_signal, send

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def measured(app: App, *signals: str, **filters: str) -> Measured:
    indicator = Indicator(
        "signals", "answer", "production", signals=signals, filters=Filters(**filters)
    )
    return Measured(app.id, indicator, None)


def tally(engine: Engine, app: App, *signals: str, **filters: str) -> Tally:
    with engine.connect() as connection:
        of = measured(app, *(signals or ("thumbs",)), **filters)
        return read_tally(connection, of, NOW - 40 * DAY, NOW + DAY)


def counted_by(calls: int, **changes: Any) -> CallCount:
    count = a_count(calls)
    return replace(count, slice=count.slice._replace(**changes))


def called(engine: Engine, app: App, samples: Iterable[NewSample], count: CallCount) -> None:
    post(engine, app, samples, [count])


def test_a_thumb_down_makes_its_call_bad(engine: Engine) -> None:
    app, sample = declare_app(engine), a_sample()
    called(engine, app, [sample], a_count(10))
    send(engine, app, a_signal(sample))
    assert tally(engine, app).bad_n == 0, "nobody has looked for its sample"
    match_signals(engine, now=NOW)
    assert tally(engine, app) == Tally.from_counts(total=10, bad=1)


def test_a_signal_before_its_sample_counts_once_it_is_there(engine: Engine) -> None:
    app, sample = declare_app(engine), a_sample()
    send(engine, app, a_signal(sample))
    match_signals(engine, now=NOW)
    called(engine, app, [sample], a_count(10))
    match_signals(engine, now=NOW + MINUTE)
    assert tally(engine, app) == Tally.from_counts(total=10, bad=1)


def test_a_signal_counts_in_the_minute_of_its_call(engine: Engine) -> None:
    app, long_ago = declare_app(engine), NOW - 20 * DAY - 90 * timedelta(seconds=1)
    minute = long_ago.replace(second=0)
    sample = a_sample(called_at=long_ago)
    called(engine, app, [sample], a_count(10, minute=minute))
    send(engine, app, a_signal(sample))
    match_signals(engine, now=NOW)
    with engine.connect() as connection:
        of = measured(app, "thumbs")
        assert read_tally(connection, of, minute, minute + MINUTE).bad_n == 1
        assert read_tally(connection, of, minute + MINUTE, NOW).bad_n == 0


@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_that_is_signalled_twice_is_bad_once(engine: Engine, at_once: bool) -> None:
    app, sample = declare_app(engine), a_sample()
    called(engine, app, [sample], a_count(10))
    for _ in range(3):
        send(engine, app, a_signal(sample))
        if not at_once:
            match_signals(engine, now=NOW)
    match_signals(engine, now=NOW)
    assert tally(engine, app).bad_n == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_that_is_signalled_in_two_ways_is_bad_once(engine: Engine, at_once: bool) -> None:
    app, both, one = declare_app(engine), a_sample(keep_probability=0.3), a_sample()
    called(engine, app, [both, one], a_count(10))
    for kind in ("thumbs", "regenerated"):
        send(engine, app, a_signal(both, kind=kind))
        if not at_once:
            match_signals(engine, now=NOW)
    send(engine, app, a_signal(one, kind="regenerated"))
    match_signals(engine, now=NOW)
    found = {
        kinds: tally(engine, app, *kinds).bad_n
        for kinds in [("thumbs",), ("regenerated",), ("correction",), ("thumbs", "regenerated")]
    }
    assert list(found.values()) == [1, 2, 0, 2]
    assert tally(engine, app, "thumbs", "correction").bad_w == pytest.approx(1 / 0.3)


@pytest.mark.parametrize(
    ("kind", "value"), [("thumbs", 1.0), ("regenerated", 0.0), ("copied", 1.0)]
)
def test_what_does_not_speak_against_an_answer_counts_nothing(
    engine: Engine, kind: str, value: float
) -> None:
    app, sample = declare_app(engine), a_sample()
    called(engine, app, [sample], a_count(10))
    send(engine, app, a_signal(sample, kind=kind, value=value))
    assert match_signals(engine, now=NOW) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.signal_counts)) == 0


def test_a_kept_call_stands_for_those_that_were_not(engine: Engine) -> None:
    app = declare_app(engine)
    samples = [a_sample(keep_probability=0.1) for _ in range(100)]
    called(engine, app, samples, a_count(1_000))
    send(engine, app, *(a_signal(sample) for sample in samples[:5]))
    match_signals(engine, now=NOW)
    found = tally(engine, app)
    assert (found.n, found.bad_n, found.bad_ratio) == (1_000, 5, 0.05)
    assert found.effective_n < 100, "as if only the kept ones were known"


def test_more_kept_calls_than_counted_ones_are_a_possible_tally(engine: Engine) -> None:
    app, sample = declare_app(engine), a_sample(keep_probability=0.01)
    called(engine, app, [sample], a_count(10))
    send(engine, app, a_signal(sample))
    match_signals(engine, now=NOW)
    assert tally(engine, app).bad_ratio == 1.0


def test_filters_hold_for_calls_and_signals(engine: Engine) -> None:
    app = declare_app(engine)
    of = {model: a_sample(model=model) for model in ("gpt-4", "gpt-3.5")}
    post(engine, app, of.values(), [a_count(10), counted_by(30, model="gpt-3.5")])
    send(engine, app, a_signal(of["gpt-3.5"]))
    match_signals(engine, now=NOW)
    assert tally(engine, app, model="gpt-4") == Tally.from_counts(total=10, bad=0)
    assert tally(engine, app, model="gpt-3.5") == Tally.from_counts(total=30, bad=1)
    assert tally(engine, app) == Tally.from_counts(total=40, bad=1)
    assert tally(engine, app, release="2.0") == Tally.ZERO


def test_other_tasks_environments_and_apps_are_not_counted(engine: Engine) -> None:
    app, other = declare_app(engine), declare_app(engine, "sales")
    called(engine, app, [], a_count(10))
    for each, changes in ((app, {"task": "sum"}), (app, {"environment": "test"}), (other, {})):
        sample = a_sample(**changes)
        post(engine, each, [sample])
        send(engine, each, a_signal(sample))
    assert match_signals(engine, now=NOW) == 3
    assert tally(engine, app) == Tally.from_counts(total=10, bad=0)


def test_an_slo_on_signals_is_read_with_all_others(engine: Engine) -> None:
    app = declare_app(engine)
    slo: Slo = declare_slo(engine, app, evaluator=None)
    for hours in range(0, 60, 5):
        at = NOW - hours * HOUR - MINUTE
        sample = a_sample(called_at=at)
        called(engine, app, [sample], a_count(10, minute=at))
        send(engine, app, a_signal(sample, signalled_at=at))
    match_signals(engine, now=NOW)
    failing = Measured(app.id, slo.indicator, None)
    with engine.connect() as connection:
        wanted = [Wanted(slo, failing), Wanted(slo, measured(app, "thumbs"))]
        calls, signals = read_slos(connection, wanted, now=NOW)
    assert signals.budget == Tally.from_counts(total=120, bad=12)
    assert calls.budget == Tally.from_counts(total=120, bad=0)
    for tier in slo.tiers:
        bad = min(12, 1 + (tier.long - MINUTE) // (5 * HOUR))
        assert signals.windows[tier.long].tally == Tally.from_counts(total=10 * bad, bad=bad)


def test_an_slo_fires_by_what_users_say(engine: Engine) -> None:
    app = declare_app(engine)
    slo = declare_slo(engine, app, evaluator=None)
    unhappy = replace(slo, name="users-content", indicator=measured(app, "thumbs").indicator)
    with engine.begin() as connection:
        put_slo(connection, app.id, unhappy, display_name="Users are content")
    samples = [a_sample() for _ in range(400)]
    called(engine, app, samples, a_count(500))
    send(engine, app, *(a_signal(sample) for sample in samples))
    match_signals(engine, now=NOW)
    verdicts = evaluate_slos(engine, load(), now=NOW + MINUTE)
    assert {name: verdict.status for name, verdict in verdicts.items()} == {
        "support/answers-correct": "healthy",
        "support/users-content": "firing",
    }


def test_breakdowns_show_the_bad_calls_beside_all(engine: Engine) -> None:
    app, sample = declare_app(engine), a_sample(release="2.0")
    post(engine, app, [sample], [a_count(10), counted_by(30, release="2.0")])
    send(engine, app, a_signal(sample), a_signal(sample, kind="correction"))
    match_signals(engine, now=NOW)
    of = measured(app, "thumbs", "regenerated")
    with engine.connect() as connection:
        by_version = read_tally_by_version(connection, of, NOW, NOW + HOUR)
        by_step = read_tallies_by_step(connection, of, NOW, NOW + HOUR, step=HOUR)
    assert {version.release: found for version, found in by_version.items()} == {
        "2.0": Tally.from_counts(total=30, bad=1),
        "": Tally.from_counts(total=10, bad=0),
    }
    assert by_step == [(NOW, Tally.from_counts(total=40, bad=1))]


def test_counts_and_looks_are_stored_together(engine: Engine, monkeypatch: Any) -> None:
    app, sample = declare_app(engine), a_sample()
    called(engine, app, [sample], a_count(10))
    send(engine, app, a_signal(sample))

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("service.store.signals.note_looks", fail)
    with pytest.raises(RuntimeError):
        match_signals(engine, now=NOW)
    assert tally(engine, app).bad_n == 0
    monkeypatch.setattr("service.store.signals.note_looks", note_looks)
    match_signals(engine, now=NOW)
    assert tally(engine, app).bad_n == 1


def test_two_workers_count_a_call_once(engine: Engine) -> None:
    app, samples = declare_app(engine), [a_sample() for _ in range(20)]
    called(engine, app, samples, a_count(100))
    with ThreadPoolExecutor(4) as workers:
        for _ in range(5):
            send(engine, app, *(a_signal(sample) for sample in samples))
            list(workers.map(lambda _: match_signals(engine, now=NOW), range(4)))
    assert tally(engine, app).bad_n == 20


def test_the_hours_and_days_are_what_the_minutes_add_up_to(engine: Engine) -> None:
    app = declare_app(engine)
    for hours in (0, 3, 30):
        at = NOW - hours * HOUR
        samples = [a_sample(called_at=at - n * MINUTE, keep_probability=0.5) for n in range(3)]
        post(engine, app, samples)
        send(engine, app, *(a_signal(each, kind=k) for each in samples for k in ("thumbs",)))
        match_signals(engine, now=NOW)
        send(engine, app, a_signal(samples[0], kind="correction"))
        match_signals(engine, now=NOW)
    summed = "SELECT kinds, sum(n), sum(w), sum(w2) FROM {} GROUP BY kinds ORDER BY kinds"
    with engine.connect() as connection:
        minutes = connection.execute(text(summed.format("signal_counts"))).all()
        for span in (1, 24):
            of_span = f"(SELECT * FROM signal_totals WHERE span = {span}) AS totals"
            assert connection.execute(text(summed.format(of_span))).all() == minutes
    assert [tuple(row) for row in minutes] == [(1, 6, 12.0, 24.0), (3, 3, 6.0, 12.0)]
