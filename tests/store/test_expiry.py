from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, func, select, text

from service.settings import Settings
from service.store import expiry, locks, tables
from service.store.expiry import Expired, drop_expired
from service.store.partitions import ensure
from tests.declared import NOW, a_sample, declare_app, post
from tests.store.test_partitions import partitions_of
from tests.waiting import wait_for

OLD = NOW - timedelta(days=34)
OLDER = NOW - timedelta(days=35)
LATER = NOW + timedelta(days=3)


def name_of(day: object) -> str:
    return f"samples_p{day:%Y%m%d}"


def expire(engine: Engine) -> Expired:
    """As a worker does, which holds its job's lock meanwhile."""
    with engine.connect() as worker, locks.exclusive_or_skip(worker, "job/trim_storage") as held:
        assert held
        return drop_expired(engine, Settings(), now=LATER)


def exists(engine: Engine, table: str) -> bool:
    with engine.connect() as connection:
        return connection.scalar(select(func.to_regclass(table))) is not None


def is_detaching(engine: Engine) -> bool:
    with engine.connect() as connection:
        waiting = connection.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND query LIKE 'ALTER TABLE%' AND datname = current_database()"
            )
        )
    return waiting == 1


def row_of(reader: Connection) -> dict[str, object]:
    """A new row like the one that the reader has read."""
    found = reader.execute(select(tables.samples).where(tables.samples.c.called_at >= NOW)).one()
    return {**found._asdict(), "sample_id": uuid4()}


@pytest.fixture
def reader(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Somebody in the middle of reading samples of today, while those of two days expire."""
    monkeypatch.setattr(expiry, "_LOCK_TIMEOUT", "300ms")
    app = declare_app(engine)
    post(engine, app, [a_sample(), a_sample(called_at=OLD), a_sample(called_at=OLDER)])
    with engine.connect() as connection:
        connection.execute(select(tables.samples).where(tables.samples.c.called_at >= NOW)).all()
        yield connection


def test_partitions_past_their_retention_are_dropped_with_their_rows(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, [a_sample(), a_sample(called_at=OLD)])
    assert expire(engine) == Expired(dropped=[name_of(OLD)])
    assert not exists(engine, name_of(OLD))
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.samples)) == 1


def test_what_may_still_be_posted_has_its_partition_kept(engine: Engine) -> None:
    ensure(engine, [NOW - timedelta(days=35)])
    assert drop_expired(engine, Settings(), now=NOW) == Expired()


def test_a_long_reader_delays_the_drop_and_nobody_else(
    engine: Engine, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_LOCK_TIMEOUT", "30s")
    with ThreadPoolExecutor(1) as pool:
        dropping = pool.submit(expire, engine)
        wait_for(lambda: is_detaching(engine), what="the drop to wait for the reader")
        with engine.connect() as connection:  # an insert behind a waiting drop would fail by this
            connection.execute(text("SET lock_timeout = '2s'"))
            connection.execute(tables.samples.insert().values(row_of(reader)))
            connection.commit()
        assert not dropping.done()
        reader.rollback()
        assert dropping.result(30) == Expired(dropped=[name_of(OLDER), name_of(OLD)])


def test_while_the_reader_stays_the_drop_gives_up_until_its_next_turn(
    engine: Engine, reader: Connection
) -> None:
    assert expire(engine) == Expired(in_use=[name_of(OLDER)])
    assert exists(engine, name_of(OLD))
    reader.rollback()
    assert expire(engine) == Expired(dropped=[name_of(OLDER), name_of(OLD)])


def test_an_interrupted_detach_is_finished_by_the_next_turn(
    engine: Engine, reader: Connection
) -> None:
    expire(engine)
    pending = text("SELECT count(*) FROM pg_inherits WHERE inhdetachpending")
    with engine.connect() as connection:
        assert connection.scalar(pending) == 1
    ensure(engine, [NOW + timedelta(days=500)])  # partitions can be made meanwhile
    reader.rollback()
    assert expire(engine) == Expired(dropped=[name_of(OLDER), name_of(OLD)])
    assert name_of(OLDER) not in partitions_of(engine, "samples")


def test_a_partition_that_was_detached_but_not_dropped_is_dropped_by_the_next_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(engine, [OLD])
    with monkeypatch.context() as interrupted:
        interrupted.setattr(expiry, "_drop_detached", lambda *_: None)
        expire(engine)
    assert exists(engine, name_of(OLD))
    assert name_of(OLD) not in partitions_of(engine, "samples")
    assert name_of(OLD) in expire(engine).dropped
    assert not exists(engine, name_of(OLD))


def test_a_partition_that_somebody_else_detached_is_theirs_to_keep(engine: Engine) -> None:
    ensure(engine, [OLD])
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE samples DETACH PARTITION {name_of(OLD)}"))
    expire(engine)
    assert exists(engine, name_of(OLD))


def test_only_one_process_drops_at_a_time(engine: Engine) -> None:
    ensure(engine, [OLD])
    with engine.connect() as other, locks.exclusive(other, expiry._EXPIRY_LOCK):
        assert expire(engine) == Expired()
    assert name_of(OLD) in expire(engine).dropped


def test_where_nothing_can_be_detached_concurrently_it_is_detached_all_the_same(
    engine: Engine,
) -> None:
    """As on a Citus cluster, which refuses it with this state."""
    ensure(engine, [OLD])
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF current_query() LIKE '%CONCURRENTLY%'"
                " THEN RAISE EXCEPTION 'unsupported' USING ERRCODE = 'XX000'; END IF; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE EVENT TRIGGER refuse ON ddl_command_start"
                " WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse()"
            )
        )
    assert name_of(OLD) in expire(engine).dropped
