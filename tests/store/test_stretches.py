from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from service.store.stretches import Stretch, next_stretch
from service.store.tables import samples
from tests.declared import NOW, a_sample, declare_app, post

DAY = timedelta(days=1)


@pytest.fixture
def app_id(engine: Engine) -> int:
    """An app with a sample a day for five days, three of them on the second day."""
    app, other = declare_app(engine), declare_app(engine, "sales")
    days = [0, 1, 1, 1, 2, 3, 4]
    post(engine, app, [a_sample(called_at=NOW - 10 * DAY + day * DAY) for day in days])
    post(engine, other, [a_sample(called_at=NOW - 20 * DAY)])
    return app.id


def at(day: int) -> datetime:
    return NOW - 10 * DAY + day * DAY


def test_stretches_follow_each_other_to_the_end(engine: Engine, app_id: int) -> None:
    stretches, after = [], None
    with engine.connect() as connection:
        while stretch := next_stretch(
            connection, samples.c.called_at, app_id, after=after, before=at(4), rows=2
        ):
            stretches.append(stretch)
            after = stretch.last
    # Rows of one instant stay together, or the next stretch would miss those left over.
    assert stretches == [Stretch(at(0), at(1)), Stretch(at(2), at(3))]


def test_without_rows_there_is_no_stretch(engine: Engine, app_id: int) -> None:
    with engine.connect() as connection:
        assert next_stretch(connection, samples.c.called_at, 99, before=NOW, rows=2) is None
