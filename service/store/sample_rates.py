"""The declared rates at which calls are kept whole."""

from sqlalchemy import Connection, select

from service.domain.sampling import SampleRates
from service.store.tables import apps, tasks


def read_sample_rates(connection: Connection, app_id: int) -> SampleRates:
    """The app's rates, by task where a task has one of its own."""
    of_tasks = select(tasks.c.name, tasks.c.sample_rate).where(
        tasks.c.app_id == app_id, tasks.c.sample_rate.is_not(None)
    )
    return SampleRates(
        default=connection.scalar(select(apps.c.sample_rate).where(apps.c.id == app_id)),
        tasks={row.name: row.sample_rate for row in connection.execute(of_tasks)},
    )
