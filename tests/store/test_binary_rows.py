"""Our own encoder against PostgreSQL, and against the driver's encoder."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, text

from service.domain.calls import NewSample
from service.store.binary_rows import COLUMNS, encode_samples
from service.store.copying import copy_encoded, copy_rows
from service.store.tables import samples
from tests.declared import NOW, a_sample

INTEGER = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)))
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-9.5))])
TIMES = st.builds(
    lambda micros, zone: (NOW + timedelta(microseconds=micros)).astimezone(zone),
    st.integers(-63 * 10**15, 250 * 10**15),  # the years 30 to 9948
    ZONES,
)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGER | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SAMPLES = st.builds(
    NewSample,
    **{
        "sample_id": st.uuids(),
        "called_at": TIMES,
        "attributes": st.dictionaries(TEXT, VALUES, max_size=4),
        **dict.fromkeys(("environment", "task", "release", "model", "prompt_version"), TEXT),
        "outcome": TEXT,
        **dict.fromkeys(("error_type", "prompt", "response", "reference"), st.none() | TEXT),
        **dict.fromkeys(("finish_reason", "session_id", "user_id"), st.none() | TEXT),
        **dict.fromkeys(("latency_ms", "cost_usd"), st.none() | NUMBER),
        **dict.fromkeys(("input_tokens", "output_tokens"), st.none() | INTEGER),
        "keep_probability": NUMBER,
    },
)


@pytest.fixture
def connection(engine: Engine) -> Any:
    """With two tables like `samples`, which take rows of any time and any number of times."""
    with engine.connect() as connection:
        for table in ("ours", "drivers"):
            connection.execute(text(f"CREATE TEMPORARY TABLE {table} (LIKE samples)"))
        yield connection


def write(connection: Connection, table: str, new: list[NewSample]) -> None:
    connection.execute(text(f"TRUNCATE {table}"))
    copy_encoded(connection, table, COLUMNS, encode_samples(7, NOW, new))


def rows_of(connection: Connection, table: str) -> list[Any]:
    query = f"SELECT {', '.join(COLUMNS)} FROM {table} ORDER BY ctid"
    return [tuple(row) for row in connection.execute(text(query))]


def exact(value: Any) -> Any:
    """Floats as what they are written as: JSON may give 1e+16 back as a whole number."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, (list, tuple)):
        return [exact(part) for part in value]
    return {k: exact(v) for k, v in value.items()} if isinstance(value, dict) else value


@settings(max_examples=150)
@given(new=st.lists(SAMPLES, max_size=2))
def test_what_is_read_back_is_what_was_written(
    connection: Connection, new: list[NewSample]
) -> None:
    write(connection, "ours", new)
    assert exact(rows_of(connection, "ours")) == exact([(7, NOW, *sample) for sample in new])


@settings(max_examples=100)
@given(new=st.lists(SAMPLES, max_size=2))
def test_the_driver_would_have_written_the_same(
    connection: Connection, new: list[NewSample]
) -> None:
    write(connection, "ours", new)
    connection.execute(text("TRUNCATE drivers"))
    table = samples.to_metadata(type(samples.metadata)(), name="drivers")
    copy_rows(
        connection,
        table,
        COLUMNS,
        [(7, NOW, *sample[:-1], Jsonb(sample.attributes)) for sample in new],
    )
    # As text: of equal floats and documents the bytes differ where one of them was rounded.
    compared = text(
        "SELECT count(*) FROM (SELECT o::text FROM ours o EXCEPT ALL SELECT d::text FROM drivers d)"
        " AS differing"
    )
    assert connection.scalar(compared) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_id": UUID(int=0)},
        {"sample_id": UUID(int=2**128 - 1)},
        {"called_at": datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC)},
        {"called_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"called_at": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)},
        {"prompt": "", "response": "\U0001f600" * 1_000, "reference": None},
        {"error_type": "", "finish_reason": None, "session_id": "", "user_id": None},
        {"latency_ms": None, "input_tokens": 0, "output_tokens": None, "cost_usd": 0.0},
        {"latency_ms": 5e-324, "cost_usd": 1.7976931348623157e308, "keep_probability": -0.0},
        {"input_tokens": 2**63 - 1, "output_tokens": -(2**63)},
        {"attributes": {}},
        {"attributes": {"": "", "\ud7ff\U0010ffff": '"\\\n'}},
        {"attributes": {"deep": [{"er": [None, True, 1e-300, {"n": []}]}]}},
    ],
    ids=repr,
)
def test_the_edges_of_each_type_are_kept(connection: Connection, changes: dict[str, Any]) -> None:
    # Between two plain ones: a length that is wrong would spoil its neighbours.
    new = [a_sample(), a_sample(**changes), a_sample()]
    write(connection, "ours", new)
    assert rows_of(connection, "ours") == [(7, NOW, *sample) for sample in new]


def test_samples_that_share_their_words_keep_what_they_do_not_share(
    connection: Connection,
) -> None:
    new = [
        a_sample(error_type=error_type, model=model, user_id=user_id)
        for error_type in (None, "", "timeout")
        for model in ("", "gpt-4", "timeout")
        for user_id in (None, "", "u")
    ]
    write(connection, "ours", new)
    assert rows_of(connection, "ours") == [(7, NOW, *sample) for sample in new]


def test_no_sample_is_a_file_as_well(connection: Connection) -> None:
    write(connection, "ours", [])
    assert rows_of(connection, "ours") == []
