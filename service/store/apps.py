"""Apps and their teams."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, literal, select
from sqlalchemy.dialects.postgresql import insert

from service.store.tables import app_channels, apps, channels, teams


@dataclass(frozen=True, slots=True)
class App:
    """A monitored application."""

    id: int
    name: str
    display_name: str
    team: str
    simulated: bool
    samples_retention_days: int | None = None
    """None: what holds for the whole server."""


APP = select(
    apps.c.id,
    apps.c.name,
    apps.c.display_name,
    teams.c.name.label("team"),
    apps.c.simulated,
    apps.c.samples_retention_days,
).join_from(apps, teams)
"""Every column of `App`, in its order."""


def retention_of(app: App, *, default: timedelta) -> timedelta:
    """How long the app's samples are kept, and how far back they are taken in."""
    days = app.samples_retention_days
    return default if days is None else timedelta(days=days)


def list_apps(connection: Connection, *, team: str | None = None) -> list[App]:
    """All apps, or those of one team, by name."""
    query = APP.order_by(apps.c.name)
    if team is not None:
        query = query.where(teams.c.name == team)
    return [App(*row) for row in connection.execute(query)]


def find_app(connection: Connection, name: str) -> App | None:
    """The app of that name."""
    row = connection.execute(APP.where(apps.c.name == name)).one_or_none()
    return App(*row) if row else None


def is_simulated(connection: Connection, app_id: int) -> bool:
    """Whether its calls come from a program that plays an app."""
    return bool(connection.scalar(select(apps.c.simulated).where(apps.c.id == app_id)))


def list_teams(connection: Connection) -> list[str]:
    """Every team's name."""
    return list(connection.scalars(select(teams.c.name).order_by(teams.c.name)))


def put_app(
    connection: Connection,
    *,
    name: str,
    display_name: str,
    team: str,
    simulated: bool,
    channel_names: tuple[str, ...],
    now: datetime,
    sample_rate: float | None = None,
    samples_retention_days: int | None = None,
) -> int:
    """Create the app or bring it to this state; returns its id."""
    insert_team = insert(teams).values(name=team).on_conflict_do_nothing()
    connection.execute(insert_team)
    team_id = connection.scalar(select(teams.c.id).where(teams.c.name == team))
    state = {
        "display_name": display_name,
        "team_id": team_id,
        "simulated": simulated,
        "sample_rate": sample_rate,
        "samples_retention_days": samples_retention_days,
    }
    app_id: int | None = connection.scalar(
        insert(apps)
        .values(name=name, created_at=now, **state)
        .on_conflict_do_update(index_elements=["name"], set_=state)
        .returning(apps.c.id)
    )
    assert app_id is not None  # noqa: S101 - an upsert returns its row
    connection.execute(app_channels.delete().where(app_channels.c.app_id == app_id))
    connection.execute(
        insert(app_channels).from_select(
            ["app_id", "channel_id"],
            select(literal(app_id), channels.c.id).where(channels.c.name.in_(channel_names)),
        )
    )
    return app_id
