"""Channels: where an app's messages go."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.notifications import Channel
from service.store.tables import channels

_CHANNEL = select(channels.c.name, channels.c.kind, channels.c.url, channels.c.secret)


def find_channel(connection: Connection, channel_id: int) -> Channel | None:
    """The channel of that id."""
    row = connection.execute(_CHANNEL.where(channels.c.id == channel_id)).one_or_none()
    return Channel(*row) if row else None


def put_channel(connection: Connection, channel: Channel) -> int:
    """Create the channel or bring it to this state; returns its id."""
    statement = insert(channels).values(
        name=channel.name, kind=channel.kind, url=channel.url, secret=channel.secret
    )
    channel_id: int | None = connection.scalar(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={name: statement.excluded[name] for name in ("kind", "url", "secret")},
        ).returning(channels.c.id)
    )
    assert channel_id is not None  # noqa: S101 - an upsert returns its row
    return channel_id


def list_channel_names(connection: Connection) -> list[str]:
    """Every channel's name."""
    return list(connection.scalars(select(channels.c.name).order_by(channels.c.name)))
