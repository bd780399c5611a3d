"""Apps, their teams and their API keys."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, literal, select
from sqlalchemy.dialects.postgresql import insert

from service.store.tables import api_keys, app_channels, apps, channels, teams


@dataclass(frozen=True, slots=True)
class App:
    """A monitored application."""

    id: int
    name: str
    display_name: str
    team: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of an API key; the key itself is not."""

    prefix: str
    created_at: datetime
    revoked_at: datetime | None


_APP = select(
    apps.c.id, apps.c.name, apps.c.display_name, teams.c.name.label("team"), apps.c.simulated
).join_from(apps, teams)


def list_apps(connection: Connection, *, team: str | None = None) -> list[App]:
    """All apps, or those of one team, by name."""
    query = _APP.order_by(apps.c.name)
    if team is not None:
        query = query.where(teams.c.name == team)
    return [App(*row) for row in connection.execute(query)]


def find_app(connection: Connection, name: str) -> App | None:
    """The app of that name."""
    row = connection.execute(_APP.where(apps.c.name == name)).one_or_none()
    return App(*row) if row else None


def find_app_of_key(connection: Connection, key_hash: bytes) -> App | None:
    """The app that a live API key belongs to."""
    query = _APP.join(api_keys, api_keys.c.app_id == apps.c.id).where(
        api_keys.c.key_hash == key_hash, api_keys.c.revoked_at.is_(None)
    )
    row = connection.execute(query).one_or_none()
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
) -> int:
    """Create the app or bring it to this state; returns its id."""
    insert_team = insert(teams).values(name=team).on_conflict_do_nothing()
    connection.execute(insert_team)
    team_id = connection.scalar(select(teams.c.id).where(teams.c.name == team))
    insert_app = insert(apps).values(
        name=name, display_name=display_name, team_id=team_id, simulated=simulated, created_at=now
    )
    app_id: int | None = connection.scalar(
        insert_app.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "display_name": insert_app.excluded.display_name,
                "team_id": insert_app.excluded.team_id,
                "simulated": insert_app.excluded.simulated,
            },
        ).returning(apps.c.id)
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


def add_api_key(
    connection: Connection, *, app_id: int, key_hash: bytes, prefix: str, now: datetime
) -> None:
    """Store a key's hash."""
    connection.execute(
        api_keys.insert().values(app_id=app_id, key_hash=key_hash, prefix=prefix, created_at=now)
    )


def list_api_keys(connection: Connection, app_id: int) -> list[StoredKey]:
    """The app's keys, oldest first."""
    query = (
        select(api_keys.c.prefix, api_keys.c.created_at, api_keys.c.revoked_at)
        .where(api_keys.c.app_id == app_id)
        .order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [StoredKey(*row) for row in connection.execute(query)]


def revoke_api_key(connection: Connection, app_id: int, prefix: str, *, now: datetime) -> bool:
    """Whether a live key of the app had this prefix.

    Should two have it (one chance in 69 thousand million), both go: one of them has leaked.
    """
    revoked = connection.execute(
        api_keys.update()
        .where(
            api_keys.c.app_id == app_id,
            api_keys.c.prefix == prefix,
            api_keys.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(api_keys.c.id)
    )
    return bool(revoked.all())
