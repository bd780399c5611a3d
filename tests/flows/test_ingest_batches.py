from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from service.domain.calls import Batch, CallCount, NewSample
from service.flows.create_api_key import create_api_key
from service.flows.ingest_batches import (
    Post,
    Receipt,
    RevokedApiKeyError,
    ingest_batches,
)
from service.flows.revoke_api_key import revoke_api_key
from service.store import tables
from service.store.api_keys import find_live_key
from service.store.apps import App
from service.store.call_counts import CountsTooLargeError
from service.store.partitions import PARTITIONINGS
from tests.declared import NOW, RETENTION, a_count, a_sample, declare_app
from tests.declared import post as post_alone
from tests.posted import stored
from tests.signalled import a_signal, stored_signals

NO_KEY = 0


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


def batch_of(*samples: NewSample, counts: Sequence[CallCount] = ()) -> Batch:
    return Batch(uuid4(), samples=dict(enumerate(samples)), counts=dict(enumerate(counts)))


def ingest(
    engine: Engine,
    app: App,
    *batches: Batch,
    key_id: int = NO_KEY,
    used_at: dict[int, datetime] | None = None,
) -> list[Receipt | Exception]:
    posts = [Post(key_id, app, batch) for batch in batches]
    return ingest_batches(
        engine, posts, now=NOW, retention_of=lambda _app: RETENTION, used_at=used_at
    )


def accepted(outcomes: Sequence[Receipt | Exception]) -> list[int | type[Exception]]:
    return [o.accepted if isinstance(o, Receipt) else type(o) for o in outcomes]


def partition_of(parent: str) -> str:
    """The one that holds NOW."""
    (cut,) = (cut for cut in PARTITIONINGS if cut.table.name == parent)
    return cut.name_of(cut.start_of(NOW))


@pytest.mark.parametrize("parent", ["samples", "call_counts", "signals"])
def test_a_partition_that_was_dropped_by_hand_is_made_again(
    engine: Engine, app: App, parent: str
) -> None:
    signal = a_signal()
    batch = Batch(uuid4(), samples={0: a_sample()}, counts={0: a_count()}, signals={0: signal})
    assert accepted(ingest(engine, app, batch)) == [1]
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {partition_of(parent)}"))
    again = Batch(uuid4(), samples={0: a_sample()}, counts={0: a_count()}, signals={0: a_signal()})
    assert accepted(ingest(engine, app, again)) == [1]
    assert stored(engine, tables.samples) == (1 if parent == "samples" else 2)
    assert len(stored_signals(engine)) == (1 if parent == "signals" else 2)
    with engine.connect() as connection:
        calls = connection.scalar(select(func.sum(tables.call_counts.c.calls)))
    assert calls == (1 if parent == "call_counts" else 2)


def test_a_dropped_partition_is_made_again_for_what_is_in_part_stored_already(
    engine: Engine, app: App
) -> None:
    earlier = NOW - timedelta(days=2)
    known = a_sample(called_at=earlier)
    ingest(engine, app, batch_of(known, a_sample()))
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {partition_of('samples')}"))
    assert accepted(ingest(engine, app, batch_of(known, a_sample()))) == [1]
    assert stored(engine, tables.samples) == 2


def test_a_check_that_somebody_added_is_not_taken_for_a_partition_that_went(
    engine: Engine, app: App
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE samples ADD CONSTRAINT short CHECK (length(prompt) < 5)")
        )
    outcomes = ingest(engine, app, batch_of(a_sample()), batch_of(a_sample(prompt="1")))
    assert isinstance(outcomes[0], DBAPIError)
    assert accepted(outcomes[1:]) == [1]


def test_each_post_has_its_own_outcome_in_the_order_of_the_posts(engine: Engine, app: App) -> None:
    full = a_count(outcome="error")
    post_alone(engine, app, counts=[full])
    with engine.begin() as connection:
        connection.execute(tables.call_counts.update().values(calls=2**63 - 1))
    outcomes = ingest(
        engine,
        app,
        batch_of(a_sample()),
        batch_of(a_sample(), counts=[full]),
        batch_of(),
        batch_of(a_sample(), a_sample(), counts=[a_count()]),
    )
    assert accepted(outcomes) == [1, CountsTooLargeError, 0, 2]
    assert stored(engine, tables.samples) == 3


def test_what_of_a_group_could_not_be_stored_is_stored_when_it_is_posted_again(
    engine: Engine, app: App
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE scoring_jobs RENAME TO away"))
    batches = [batch_of(a_sample()), batch_of(a_sample())]
    assert all(isinstance(outcome, DBAPIError) for outcome in ingest(engine, app, *batches))
    assert stored(engine, tables.ingest_batches) == 0
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO scoring_jobs"))
    assert accepted(ingest(engine, app, *batches)) == [1, 1]


def test_a_revoked_key_is_refused_without_a_trace_of_its_batch(engine: Engine, app: App) -> None:
    key = create_api_key(engine, app.name, now=NOW)
    with engine.connect() as connection:
        live = find_live_key(connection, key.hash)
    assert live is not None
    revoke_api_key(engine, app.name, key.secret, now=NOW)
    batch = Batch(uuid4(), samples={0: a_sample()}, counts={0: a_count()}, signals={0: a_signal()})
    assert accepted(ingest(engine, app, batch, key_id=live.id)) == [RevokedApiKeyError]
    written = (tables.samples, tables.call_counts, tables.signals, tables.ingest_batches)
    assert [stored(engine, table) for table in written] == [0, 0, 0, 0]


@pytest.mark.parametrize("trouble", ["none", "a clash", "a fault of one"])
def test_the_use_of_a_key_is_noted_whatever_way_it_is_stored(
    engine: Engine, app: App, trouble: str
) -> None:
    key = create_api_key(engine, app.name, now=NOW)
    with engine.connect() as connection:
        live = find_live_key(connection, key.hash)
    assert live is not None
    known, full = a_sample(), a_count(outcome="error")
    post_alone(engine, app, [known], [full])
    with engine.begin() as connection:
        connection.execute(tables.call_counts.update().values(calls=2**63 - 1))
    batches = {
        "none": [batch_of(a_sample())],
        "a clash": [batch_of(known)],
        "a fault of one": [batch_of(counts=[full]), batch_of(a_sample())],
    }[trouble]
    ingest(engine, app, *batches, key_id=live.id, used_at={live.id: NOW})
    with engine.connect() as connection:
        uses = connection.execute(select(tables.api_key_uses)).all()
    assert [tuple(use) for use in uses] == [(live.id, NOW)]


def test_of_the_same_batch_twice_in_a_group_the_counts_are_added_once(
    engine: Engine, app: App
) -> None:
    batch = batch_of(a_sample(), counts=[a_count(7)])
    first, second = ingest(engine, app, batch, batch)
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert (first.counts_accepted, second.counts_accepted, second.duplicate) == (1, 0, 1)
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.call_counts.c.calls))) == 7


def test_a_group_of_posts_of_one_slice_adds_all_their_counts(engine: Engine, app: App) -> None:
    ingest(engine, app, *(batch_of(counts=[a_count(n), a_count(n)]) for n in range(1, 6)))
    with engine.connect() as connection:
        assert connection.scalars(select(tables.call_counts.c.calls)).all() == [30]
