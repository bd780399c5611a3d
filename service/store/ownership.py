"""Which set of documents declares what, and so what goes when that set declares it no more.

A set is known by the apps that it declares. A task or an SLO belongs to its app's set where both
were last declared together; a channel to the sets of the apps that it was declared beside.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from service.domain.notifications import Channel
from service.store.tables import app_channels, apps, channels, slos, tasks, teams

Named = tuple[int, str]
"""An app's id, and the name of its task or SLO."""


@dataclass(frozen=True, slots=True)
class HeldChannel:
    """A channel, and the apps that it was last declared beside."""

    channel: Channel
    declared_beside: frozenset[str]
    is_archived: bool


@dataclass(frozen=True, slots=True)
class HeldApp:
    """Everything that is declared of an app."""

    id: int
    name: str
    display_name: str
    team: str
    channels: tuple[str, ...]
    simulated: bool
    sample_rate: float | None
    samples_retention_days: int | None


def list_held_channels(connection: Connection) -> Sequence[HeldChannel]:
    """Every channel, archived ones too."""
    rows = connection.execute(select(channels).order_by(channels.c.name))
    return [
        HeldChannel(
            Channel(row.name, row.kind, row.url, row.secret),
            frozenset(row.declared_beside),
            row.archived_at is not None,
        )
        for row in rows
    ]


def list_held_apps(connection: Connection) -> Sequence[HeldApp]:
    """Every app."""
    used = (
        select(func.array_agg(channels.c.name))
        .join_from(app_channels, channels)
        .where(app_channels.c.app_id == apps.c.id)
        .scalar_subquery()
    )
    declared = (apps.c.simulated, apps.c.sample_rate, apps.c.samples_retention_days)
    query = select(apps.c.id, apps.c.name, apps.c.display_name, teams.c.name.label("team"))
    query = query.add_columns(func.coalesce(used, []).label("channels"), *declared)
    rows = connection.execute(query.join_from(apps, teams).order_by(apps.c.name)).mappings()
    return [HeldApp(**dict(row) | {"channels": tuple(sorted(row["channels"]))}) for row in rows]


def list_owned_tasks(connection: Connection) -> frozenset[Named]:
    """The tasks that belong to their app's set."""
    query = select(tasks.c.app_id, tasks.c.name).where(tasks.c.declared_with_app)
    return frozenset((row.app_id, row.name) for row in connection.execute(query))


def list_owned_slos(connection: Connection) -> frozenset[int]:
    """The ids of SLOs that belong to their app's set."""
    return frozenset(connection.scalars(select(slos.c.id).where(slos.c.declared_with_app)))


def note_channels(connection: Connection, names: Collection[str], beside: Iterable[str]) -> None:
    """These channels are declared, beside these apps."""
    connection.execute(
        channels.update()
        .where(channels.c.name.in_(names))
        .values(declared_beside=sorted(beside), archived_at=None)
    )


def note_task(connection: Connection, named: Named, *, with_app: bool) -> None:
    """This task is declared, with or without its app."""
    _note(connection, tasks, named, with_app)


def note_slo(connection: Connection, named: Named, *, with_app: bool) -> None:
    """This SLO is declared, with or without its app."""
    _note(connection, slos, named, with_app)


def _note(connection: Connection, table: Any, named: Named, with_app: bool) -> None:
    app_id, name = named
    connection.execute(
        table.update()
        .where(
            table.c.app_id == app_id,
            table.c.name == name,
            table.c.declared_with_app != with_app,
        )
        .values(declared_with_app=with_app)
    )


def archive_channel(connection: Connection, name: str, *, now: datetime) -> None:
    """Nothing may name it any more. It stays, for messages that wait to be sent to it."""
    connection.execute(channels.update().where(channels.c.name == name).values(archived_at=now))


def drop_task(connection: Connection, named: Named) -> None:
    """Declare it no more. What was counted, scored and stored of it is kept by its name."""
    app_id, name = named
    connection.execute(tasks.delete().where(tasks.c.app_id == app_id, tasks.c.name == name))
