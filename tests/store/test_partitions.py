from datetime import timedelta

from sqlalchemy import Engine, func, select, text

from service.settings import Settings
from service.store import tables
from service.store.partitions import drop_expired, ensure, make_ahead
from tests.declared import NOW, a_sample, declare_app, post


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


def test_partitions_past_their_retention_are_dropped_with_their_rows(engine: Engine) -> None:
    app = declare_app(engine)
    post(engine, app, [a_sample(), a_sample(called_at=NOW - timedelta(days=34))])
    later = NOW + timedelta(days=3)
    dropped = drop_expired(engine, Settings(), now=later)
    assert dropped == [f"samples_p{NOW - timedelta(days=34):%Y%m%d}"]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.samples)) == 1


def test_what_may_still_be_posted_has_its_partition_kept(engine: Engine) -> None:
    ensure(engine, [NOW - timedelta(days=35)])
    assert drop_expired(engine, Settings(), now=NOW) == []


def test_making_a_partition_again_does_nothing(engine: Engine) -> None:
    ensure(engine, [NOW])
    before = partitions_of(engine, "samples")
    ensure(engine, [NOW])
    assert partitions_of(engine, "samples") == before


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
        "sli_minutes",
        "drift_counts",
    }
    for table in growing:
        assert next(iter(table.primary_key.columns)).name == "app_id"
        assert all(next(iter(index.columns)).name == "app_id" for index in table.indexes)
        assert not table.foreign_key_constraints
