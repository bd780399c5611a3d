from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from service.flows.trim_storage import trim_storage
from service.settings import Settings
from service.store import retention, tables
from service.store.apps import App, find_app, put_app, retention_of
from tests.declared import NOW, a_sample, post
from tests.store.test_partitions import partitions_of

DAY = timedelta(days=1)
SETTINGS = Settings(samples_retention_days=35)


def keep(engine: Engine, name: str, days: int | None) -> App:
    """An app that keeps its samples for so long."""
    with engine.begin() as connection:
        put_app(
            connection,
            name=name,
            display_name=name,
            team="care",
            simulated=False,
            channel_names=(),
            now=NOW,
            samples_retention_days=days,
        )
        app = find_app(connection, name)
    assert app is not None
    return app


def fill(engine: Engine, app: App, *days_ago: int) -> None:
    """Each was posted when it was called."""
    for days, count in Counter(days_ago).items():
        called_at = NOW - days * DAY
        post(engine, app, [a_sample(called_at=called_at) for _ in range(count)], now=called_at)


def ages(engine: Engine, app: App) -> list[int]:
    """Of the app's samples, in days."""
    times = select(tables.samples.c.called_at).where(tables.samples.c.app_id == app.id)
    with engine.connect() as connection:
        return sorted((NOW - called_at) // DAY for called_at in connection.scalars(times))


def has_partition(engine: Engine, days_ago: int) -> bool:
    return f"samples_p{NOW - days_ago * DAY:%Y%m%d}" in partitions_of(engine, "samples")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)


def test_an_app_that_keeps_its_samples_for_less_long_has_its_own_deleted(engine: Engine) -> None:
    brief, other = keep(engine, "brief", 7), keep(engine, "other", None)
    for app in (brief, other):
        fill(engine, app, 1, 7, 8, 9, 9, 10, 20, 34)
    trim_storage(engine, SETTINGS, now=NOW)
    assert ages(engine, brief) == [1, 7, 8], "whole days, and a day of grace"
    assert ages(engine, other) == [1, 7, 8, 9, 9, 10, 20, 34]


def test_a_partition_stays_for_the_app_that_needs_it_longest(engine: Engine) -> None:
    patient, usual = keep(engine, "patient", 60), keep(engine, "usual", None)
    for app in (patient, usual):
        fill(engine, app, 10, 50, 80)
    trim_storage(engine, SETTINGS, now=NOW)
    assert ages(engine, patient) == [10, 50]
    assert has_partition(engine, 50)
    assert not has_partition(engine, 80)
    assert ages(engine, usual) == [10], "the server's own retention is shorter than that"


def test_where_all_apps_keep_less_partitions_are_dropped_that_soon(engine: Engine) -> None:
    for name in ("one", "two"):
        fill(engine, keep(engine, name, 7), 1, 20)
    trim_storage(engine, SETTINGS, now=NOW)
    assert has_partition(engine, 1)
    assert not has_partition(engine, 20)


def test_scores_and_counts_stay_for_as_long_as_samples_of_their_day(engine: Engine) -> None:
    patient = keep(engine, "patient", 500)
    fill(engine, patient, 450)
    trim_storage(engine, SETTINGS, now=NOW)
    assert ages(engine, patient) == [450]
    day, month = NOW - 450 * DAY, (NOW - 450 * DAY).replace(day=1)
    assert f"scores_p{day:%Y%m%d}" in partitions_of(engine, "scores")
    for table in ("signals", "sessions", "call_counts", "sli_minutes"):
        assert f"{table}_p{month:%Y%m%d}" in partitions_of(engine, table)


def test_a_worker_that_is_asked_to_stop_leaves_the_rest_to_the_next_turn(engine: Engine) -> None:
    keep(engine, "other", None)
    brief = keep(engine, "brief", 7)
    fill(engine, brief, *range(10, 20))
    answers = iter([False, False, True])
    trim_storage(engine, SETTINGS, now=NOW, is_stopping=lambda: next(answers))
    assert ages(engine, brief) == list(range(10, 16)), "the oldest went first"
    trim_storage(engine, SETTINGS, now=NOW)
    assert ages(engine, brief) == []


def test_samples_come_in_while_old_ones_are_deleted(engine: Engine) -> None:
    keep(engine, "other", None)
    brief = keep(engine, "brief", 7)
    fill(engine, brief, *[10 + number // 20 for number in range(200)])

    def trim(_: int) -> None:
        trim_storage(engine, SETTINGS, now=NOW)

    with ThreadPoolExecutor(3) as pool:
        trims: Any = pool.map(trim, range(2))
        for _ in range(20):
            fill(engine, brief, 1, 2)
        assert list(trims) == [None, None]
    assert ages(engine, brief) == [1] * 20 + [2] * 20


def test_the_retention_of_an_app_is_its_own_or_the_servers(engine: Engine) -> None:
    default = timedelta(days=35)
    assert retention_of(keep(engine, "brief", 7), default=default) == 7 * DAY
    assert retention_of(keep(engine, "usual", None), default=default) == default
