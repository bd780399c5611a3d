"""Send what the outbox holds: claim under a lease, commit, call outside, record what came of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Literal

import structlog
from sqlalchemy import Engine

from service.domain.notifications import Message, delivery_failed, next_attempt
from service.notify.contract import DeliveryError, Sender
from service.store import notifications
from service.store.incidents import add_event
from service.store.notifications import ClaimedNotification

LEASE = timedelta(minutes=1)
"""Longer than any sender's timeouts; a message whose process died is sent again after it."""

Outcome = Literal["delivered", "postponed", "given_up"]
_log = structlog.get_logger()
_chance = SystemRandom().random


def deliver_notifications(
    engine: Engine,
    senders: Mapping[str, Sender],
    *,
    clock: Callable[[], datetime],
    public_url: str,
    is_stopping: Callable[[], bool] = lambda: False,
    chance: Callable[[], float] = _chance,
) -> Mapping[Outcome, int]:
    """Send all that is due, one message after the other; several processes can do this at once.

    Args:
        senders: by the kind of channel.
        clock: read before and after each call outside, which can take its time.
        public_url: where the links in messages lead.
        is_stopping: asked before each message; the rest waits for the next call.
        chance: spreads the retries; in [0, 1).
    """
    outcomes: Counter[Outcome] = Counter()
    while not is_stopping() and (claimed := _claim(engine, clock())) is not None:
        message = claimed.message.addressed(public_url)
        try:
            _send(senders, claimed, message, clock())
        except DeliveryError as error:
            outcomes[_record_failure(engine, claimed, error, clock(), chance())] += 1
        else:
            with engine.begin() as connection:
                notifications.record_delivery(connection, claimed, now=clock())
            outcomes["delivered"] += 1
    return outcomes


def _claim(engine: Engine, now: datetime) -> ClaimedNotification | None:
    with engine.begin() as connection:
        return notifications.claim(connection, now=now, lease=LEASE)


def _send(
    senders: Mapping[str, Sender], claimed: ClaimedNotification, message: Message, now: datetime
) -> None:
    channel = claimed.channel
    if channel is None:
        raise DeliveryError("the channel was removed", permanent=True)
    sender = senders.get(channel.kind)
    if sender is None:
        raise DeliveryError(f"nothing sends to channels of kind '{channel.kind}'", permanent=True)
    try:
        sender.send(channel, message, now=now)
    except DeliveryError:
        raise
    except Exception as error:
        # A fault of one sender must not hold up the messages behind this one. Its text is not
        # shown, since nobody has seen to it that it holds nothing secret.
        raise DeliveryError(f"unexpected {type(error).__name__} while sending") from error


def _record_failure(
    engine: Engine,
    claimed: ClaimedNotification,
    error: DeliveryError,
    now: datetime,
    chance: float,
) -> Outcome:
    name = claimed.channel.name if claimed.channel else "(removed)"
    again_at = None
    if not error.permanent:
        again_at = next_attempt(
            attempts=claimed.attempts,
            created_at=claimed.created_at,
            now=now,
            chance=chance,
            retry_after=error.retry_after,
        )
    facts = {"channel": name, "message": claimed.message.id, "error": str(error)}
    with engine.begin() as connection:
        if again_at is not None:
            notifications.retry_later(connection, claimed, error=str(error), at=again_at)
            _log.warning("delivery_postponed", **facts, attempt=claimed.attempts)
            return "postponed"
        if notifications.give_up(connection, claimed, error=str(error), now=now):
            event = delivery_failed(claimed.message, name, str(error), at=now)
            add_event(connection, claimed.incident_id, event)
            _log.error("delivery_given_up", **facts, attempt=claimed.attempts)
        return "given_up"
