import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.domain.accounts import SILENT_AFTER, find_fault
from service.store.apps import App
from service.store.sdk_instances import (
    KEPT,
    Heard,
    StoredInstance,
    forget_instances,
    list_instances,
    put_instances,
    sum_instances,
)
from tests.declared import NOW, declare_app
from tests.instances import a_ledger, an_instance, hear

DAY = timedelta(days=1)


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


def listed(engine: Engine, app: App, *, limit: int = 50) -> list[StoredInstance]:
    with engine.connect() as connection:
        return list_instances(
            connection,
            app.id,
            since=NOW - DAY,
            silent_before=NOW - SILENT_AFTER,
            limit=limit,
        )


def only(engine: Engine, app: App) -> StoredInstance:
    (found,) = listed(engine, app)
    return found


def test_an_instance_is_kept_as_it_told_itself(engine: Engine, app: App) -> None:
    told = an_instance(
        a_ledger(produced=9, queued=4, sampled_out=5, counted=2, uncounted={"http_400": 1})
    )
    hear(engine, app, told, stored=3, rejected=1)
    found = only(engine, app)
    assert found.instance == told
    assert found.seen_at == NOW
    assert (found.account.stored, found.account.queued) == (3, 0)
    assert found.account.dropped == {"rejected": 1}


def test_a_later_ledger_replaces_the_earlier_one_and_what_arrived_adds_up(
    engine: Engine, app: App
) -> None:
    first = an_instance(a_ledger(produced=10, queued=10))
    hear(engine, app, first, stored=10)
    ledger = a_ledger(produced=25, stored=10, queued=15)
    second = replace(first, sequence=2, ledger=ledger, release="1.5.0")
    hear(engine, app, second, stored=14, rejected=1, now=NOW + DAY / 24)
    found = only(engine, app)
    assert found.instance == second
    assert found.seen_at == NOW + DAY / 24
    assert (found.account.stored, found.account.queued) == (24, 0)


def test_a_batch_that_was_overtaken_arrives_without_moving_the_ledger_back(
    engine: Engine, app: App
) -> None:
    """As from the spool of a process that has ended: nothing later tells that it arrived."""
    first = an_instance(a_ledger(produced=10, queued=10))
    second = replace(first, sequence=2, ledger=a_ledger(produced=30, queued=30))
    hear(engine, app, second, stored=20)
    assert only(engine, app).account.queued == 10
    hear(engine, app, first, stored=10, now=NOW + DAY / 24)
    found = only(engine, app)
    assert found.instance == second
    assert (found.account.stored, found.account.queued) == (30, 0)


def test_a_repeated_batch_adds_nothing(engine: Engine, app: App) -> None:
    told = an_instance(a_ledger(produced=10, queued=10))
    hear(engine, app, told, stored=10)
    hear(engine, app, told)
    assert only(engine, app).account.stored == 10


def test_several_batches_of_one_instance_can_come_in_one_transaction(
    engine: Engine, app: App
) -> None:
    first = an_instance(a_ledger(produced=3, queued=3))
    second = replace(first, sequence=2, ledger=a_ledger(produced=5, queued=5))
    with engine.begin() as connection:
        put_instances(
            connection, [Heard(app.id, second, 2, 0), Heard(app.id, first, 2, 1)], now=NOW
        )
    found = only(engine, app)
    assert found.instance == second
    assert (found.account.stored, found.account.queued) == (4, 0)


def test_an_instance_that_was_forgotten_comes_back_without_a_fault(
    engine: Engine, app: App
) -> None:
    old = an_instance(
        a_ledger(produced=70, stored=60, queued=5, dropped={"rejected": 5}), sequence=9
    )
    hear(engine, app, old, stored=5)
    account = only(engine, app).account
    assert (account.stored, account.queued) == (65, 0)
    assert account.dropped == {"rejected": 5}
    assert find_fault(account) is None


def test_writers_of_the_same_instances_at_once_lose_nothing(engine: Engine, app: App) -> None:
    instances = [an_instance(a_ledger(produced=400, queued=400)) for _ in range(6)]
    start = threading.Barrier(4)

    def write(step: int) -> None:
        start.wait()
        for _ in range(10):
            with engine.begin() as connection:
                heard = [Heard(app.id, each, 1, 0) for each in instances[::step]]
                put_instances(connection, heard, now=NOW)

    threads = [threading.Thread(target=write, args=(step,)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.account.stored for found in listed(engine, app)] == [40] * 6


def test_those_in_trouble_are_listed_first(engine: Engine, app: App) -> None:
    hours_ago = NOW - timedelta(hours=3)
    fine = an_instance(a_ledger(produced=5, queued=5))
    ended = an_instance(a_ledger(produced=5, queued=5))
    silent = an_instance(a_ledger(produced=5, queued=5))
    faulty = an_instance(a_ledger(produced=6, queued=5))
    waiting = an_instance(a_ledger(produced=5, queued=5))
    hear(engine, app, fine, stored=5)
    given_up = an_instance(a_ledger(produced=5, dropped={"no_answer": 5}))
    hear(engine, app, given_up, stored=5, now=NOW - DAY / 2)  # and it arrived after all
    hear(engine, app, ended, stored=4, rejected=1, now=hours_ago)
    hear(engine, app, silent, stored=4, now=hours_ago)
    hear(engine, app, faulty, stored=6)
    hear(engine, app, waiting, stored=1, now=NOW - timedelta(seconds=1))
    hear(engine, app, an_instance(a_ledger()), now=NOW - 2 * DAY)  # too long ago
    hear(engine, declare_app(engine, "sales"), an_instance(a_ledger()))
    ids = [found.instance.instance_id for found in listed(engine, app)]
    in_order = [faulty, silent, fine, waiting, ended, given_up]
    assert ids == [instance.instance_id for instance in in_order]
    assert len(listed(engine, app, limit=2)) == 2


def test_totals_hold_all_instances_by_reason(engine: Engine, app: App) -> None:
    lost = {"queue_full": 2, "rejected": 1}
    ledger = a_ledger(produced=20, stored=5, sampled_out=6, queued=6, dropped=lost)
    for sequence in (4, 5):
        hear(engine, app, an_instance(ledger, sequence=sequence), stored=3, rejected=2)
    uncounted = a_ledger(produced=1, sampled_out=1, uncounted={"http_400": 1})
    hear(engine, app, an_instance(uncounted))
    with engine.connect() as connection:
        totals = sum_instances(connection, app.id, since=NOW - DAY)
    account = totals.account
    assert totals.instances == 3
    assert (account.produced, account.stored, account.sampled_out) == (41, 16, 13)
    assert account.dropped == {"queue_full": 4, "rejected": 6}
    assert account.queued == 2
    assert account.uncounted == {"http_400": 1}


def test_no_instances_have_empty_totals(engine: Engine, app: App) -> None:
    with engine.connect() as connection:
        totals = sum_instances(connection, app.id, since=NOW - DAY)
    assert (totals.instances, totals.account.produced, totals.account.queued) == (0, 0, 0)


def test_instances_are_forgotten_when_nobody_has_heard_of_them_for_long(
    engine: Engine, app: App
) -> None:
    hear(engine, app, an_instance(a_ledger()), now=NOW - KEPT - timedelta(seconds=1))
    hear(engine, app, an_instance(a_ledger()), now=NOW - KEPT)
    with engine.begin() as connection:
        assert forget_instances(connection, now=NOW) == 1
        assert forget_instances(connection, now=NOW) == 0


def test_whatever_an_instance_claims_can_be_stored_and_read(engine: Engine, app: App) -> None:
    most = 2**63 - 1
    ledger = a_ledger(
        **dict.fromkeys(("produced", "stored", "sampled_out", "queued", "counted"), most),
        dropped={"a": most, "b": most, "rejected": most},
        uncounted={"\U0001f600": most},
    )
    boaster = an_instance(ledger)
    for _ in range(2):
        hear(engine, app, boaster, stored=5_000, rejected=5_000)
    hear(engine, app, an_instance(ledger), stored=1)
    assert len(listed(engine, app)) == 2
    with engine.connect() as connection:
        totals = sum_instances(connection, app.id, since=NOW - DAY)
    assert totals.account.dropped["a"] == 2 * most
    assert find_fault(totals.account)
