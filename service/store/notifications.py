"""The outbox: messages are written with the change they tell of, and sent after its commit."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, exists, literal, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.incidents import Incident
from service.domain.notifications import Channel, Message
from service.store.channels import find_channel
from service.store.tables import app_channels, notifications

_is_waiting = notifications.c.delivered_at.is_(None) & notifications.c.failed_at.is_(None)


@dataclass(frozen=True, slots=True)
class ClaimedNotification:
    """A message that this process sends now. `attempts` counts this one, and names the lease."""

    id: int
    incident_id: int | None
    """None: what it tells is no incident."""
    attempts: int
    created_at: datetime
    message: Message
    channel_id: int
    channel: Channel | None
    """None: it was removed since."""


def enqueue(connection: Connection, incident: Incident, message: Message, *, now: datetime) -> int:
    """Queue the message for every channel of the app; returns how many these are."""
    return _enqueue(connection, incident.app_id, message, now, incident_id=incident.id)


def enqueue_notice(connection: Connection, app_id: int, message: Message, *, now: datetime) -> int:
    """As `enqueue`, of a message that is about no incident."""
    return _enqueue(connection, app_id, message, now, incident_id=None)


def _enqueue(
    connection: Connection,
    app_id: int,
    message: Message,
    now: datetime,
    *,
    incident_id: int | None,
) -> int:
    columns = notifications.c
    values: dict[str, Any] = {
        "incident_id": literal(incident_id, columns.incident_id.type),
        "channel_id": app_channels.c.channel_id,
        "dedup_key": literal(message.id, columns.dedup_key.type),
        "payload": literal(dict(message.payload), columns.payload.type),
        "created_at": literal(now, columns.created_at.type),
        "next_attempt_at": literal(now, columns.next_attempt_at.type),
    }
    queued = connection.execute(
        insert(notifications)
        .from_select(
            list(values),
            select(*values.values()).where(app_channels.c.app_id == app_id),
        )
        .on_conflict_do_nothing(index_elements=["channel_id", "dedup_key"])
        .returning(columns.id)
    )
    return len(queued.all())


def claim(
    connection: Connection,
    *,
    now: datetime,
    lease: timedelta,
    busy_channels: Collection[int] = (),
) -> ClaimedNotification | None:
    """Take a message that is due: it is due again, for anybody, when the lease ends.

    Not one to a busy channel: a receiver that hangs must not get hold of every thread.

    Fresh messages go before repeated ones: a receiver that is away must not hold up a page to
    another one. But to one channel an incident's messages go in their order: a page that arrives
    after its "resolved" would stay open for ever.
    """
    earlier = notifications.alias("earlier")
    waits_for_another = exists().where(
        earlier.c.incident_id == notifications.c.incident_id,
        earlier.c.channel_id == notifications.c.channel_id,
        earlier.c.id < notifications.c.id,
        earlier.c.delivered_at.is_(None),
        earlier.c.failed_at.is_(None),
    )
    due = (
        select(notifications.c.id)
        .where(
            _is_waiting,
            notifications.c.next_attempt_at <= now,
            notifications.c.channel_id.not_in(busy_channels),
            ~waits_for_another,
        )
        .order_by(notifications.c.attempts, notifications.c.next_attempt_at, notifications.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = connection.execute(
        notifications.update()
        .where(notifications.c.id == due)
        .values(next_attempt_at=now + lease, attempts=notifications.c.attempts + 1)
        .returning(notifications)
    ).one_or_none()
    if row is None:
        return None
    return ClaimedNotification(
        id=row.id,
        incident_id=row.incident_id,
        attempts=row.attempts,
        created_at=row.created_at,
        message=Message(row.dedup_key, row.payload),
        channel_id=row.channel_id,
        channel=find_channel(connection, row.channel_id),
    )


def record_delivery(connection: Connection, claimed: ClaimedNotification, *, now: datetime) -> bool:
    """It arrived: that holds whoever has the lease by now, even if somebody has given it up.

    False where another process has said so before.
    """
    recorded = connection.execute(
        notifications.update()
        .where(notifications.c.id == claimed.id, notifications.c.delivered_at.is_(None))
        .values(delivered_at=now, failed_at=None)
        .returning(notifications.c.id)
    )
    return recorded.first() is not None


def retry_later(
    connection: Connection, claimed: ClaimedNotification, *, error: str, at: datetime
) -> None:
    """Try again at that time, unless the lease has passed to another process."""
    _update_if_held(connection, claimed, next_attempt_at=at, last_error=error)


def give_up(
    connection: Connection, claimed: ClaimedNotification, *, error: str, now: datetime
) -> bool:
    """Try no more; False where the lease has passed to another process."""
    return _update_if_held(connection, claimed, failed_at=now, last_error=error)


def _update_if_held(connection: Connection, claimed: ClaimedNotification, **values: object) -> bool:
    # No row: another process has claimed it since, or it has arrived; its result counts.
    held = connection.execute(
        notifications.update()
        .where(
            notifications.c.id == claimed.id,
            notifications.c.attempts == claimed.attempts,
            _is_waiting,
        )
        .values(**values)
        .returning(notifications.c.id)
    )
    return held.first() is not None
