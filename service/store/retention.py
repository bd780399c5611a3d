"""How long apps keep their samples; some want them gone sooner than others.

Apps share partitions, so a partition is dropped by the longest retention of any app. The rows of an
app with a shorter one are deleted, as `docs/decisions/0013-retention-per-app.md` says.
"""

from datetime import datetime

from sqlalchemy import Connection, func, select

from service.store.partitions import PARTITIONINGS
from service.store.stretches import next_stretch, within
from service.store.tables import apps, samples

SAMPLES = next(each for each in PARTITIONINGS if each.table is samples)
_AT_ONCE = 5_000


def read_longest_days(connection: Connection, *, default: int) -> int:
    """The longest retention of any app's samples; `default` is of those that declare none."""
    of_app = func.coalesce(apps.c.samples_retention_days, default)
    longest: int | None = connection.scalar(select(func.max(of_app)))
    return default if longest is None else longest


def delete_samples(connection: Connection, app_id: int, *, before: datetime) -> int:
    """Delete some of the app's samples of before then, the oldest first; 0 where none is left."""
    stretch = next_stretch(connection, samples.c.called_at, app_id, before=before, rows=_AT_ONCE)
    if stretch is None:
        return 0
    return connection.execute(
        samples.delete().where(within(samples.c.called_at, app_id, stretch))
    ).rowcount
