from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from service.store import locks, tables
from service.store.partitions import ensure, ensure_once, make_ahead
from tests.declared import NOW


def partitions_of(engine: Engine, table: str) -> list[str]:
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT CAST(CAST(inhrelid AS regclass) AS text) FROM pg_inherits"
                " WHERE inhparent = to_regclass(:t)"
            ),
            {"t": table},
        )
        return sorted(rows.scalars())


def test_partitions_are_made_for_today_and_the_coming_days(engine: Engine) -> None:
    make_ahead(engine, now=NOW + timedelta(days=300))
    days = [f"samples_p{NOW + timedelta(days=300 + n):%Y%m%d}" for n in range(3)]
    assert set(days) <= set(partitions_of(engine, "samples"))


def test_making_a_partition_again_does_nothing(engine: Engine) -> None:
    ensure(engine, [NOW])
    before = partitions_of(engine, "samples")
    ensure(engine, [NOW])
    assert partitions_of(engine, "samples") == before


def test_one_that_was_dropped_is_made_again_by_who_looks_each_time(engine: Engine) -> None:
    name = f"samples_p{NOW:%Y%m%d}"
    ensure_once(engine, [NOW])
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {name}"))
    ensure_once(engine, [NOW])
    assert name not in partitions_of(engine, "samples")
    ensure(engine, [NOW])
    assert name in partitions_of(engine, "samples")


def test_a_table_that_stays_locked_is_given_up_and_made_at_the_next_attempt(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "limit_lock_waits", partial(locks.limit_lock_waits, seconds=1))
    coming = NOW + timedelta(days=400)
    with engine.begin() as other:
        other.execute(text("LOCK TABLE samples IN SHARE UPDATE EXCLUSIVE MODE"))
        with pytest.raises(OperationalError, match="lock timeout"):
            ensure(engine, [coming])
    ensure(engine, [coming])
    assert f"samples_p{coming:%Y%m%d}" in partitions_of(engine, "samples")


def test_every_growing_table_leads_its_keys_with_the_app_and_has_no_foreign_key() -> None:
    growing = [
        t
        for t in tables.metadata.tables.values()
        if t.dialect_options["postgresql"]["partition_by"]
    ]
    assert {table.name for table in growing} == {
        "samples",
        "scores",
        "call_counts",
        "call_totals",
        "sli_minutes",
        "sli_totals",
        "drift_counts",
        "slo_evidence",
        "signal_counts",
        "signal_totals",
        "signals",
        "sessions",
    }
    for table in growing:
        assert next(iter(table.primary_key.columns)).name == "app_id"
        assert all(next(iter(index.columns)).name == "app_id" for index in table.indexes)
        assert not table.foreign_key_constraints
